// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import { answer, startService, startSocketService } from '../backend/service.test-support.ts'
import * as toolkit from '../index.ts'
import { open, startAttached } from '../upgrade/hosts.test-support.ts'

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')

function section(title: string): string {
  const start = readme.indexOf(`## ${title}\n`)
  return readme.slice(start, readme.indexOf('\n## ', start + 1))
}

/** Runs the example of a section with what it does not define, and gives what it does. */
function runExample(title: string, given: Readonly<Record<string, unknown>>, wanted: string): unknown {
  const example = /^```ts\n(.*?)^```/ms.exec(section(title))?.[1] ?? ''
  const script = example.replaceAll(/^import (\{.*\}) from '.*'$/gm, 'const $1 = toolkit')
  const names = Object.keys(given)
  // oxlint-disable-next-line typescript/no-implied-eval
  const run = new Function('toolkit', ...names, `${script}\nreturn { ${wanted} }`) as (...values: unknown[]) => unknown
  return run(toolkit, ...Object.values(given))
}

describe('README', () => {
  it('shows backends that work', async () => {
    const service = await startService((incoming, outgoing) =>
      answer(outgoing, `"${incoming.url}"`, 'application/json'),
    )
    const prices = await startSocketService((ws) => {
      ws.on('message', (data) => {
        const { id } = JSON.parse(String(data)) as { id: string }
        ws.send(JSON.stringify({ jsonrpc: '2.0', id, result: 12 }))
      })
    })
    const queue: { id: string; job: unknown }[] = []
    const given = { queue, services: [service.origin], prices: prices.url }
    const { gateway, jobs } = runExample('Backends', given, 'gateway, jobs') as {
      gateway: toolkit.WsGateway
      jobs: toolkit.QueueBackend
    }
    const host = await startAttached(new Hono().route('/', gateway.routes))
    const { ws, next } = await open(host, '/shop')
    const ask = (id: number, method: string, params: object): void =>
      ws.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    ask(1, 'order', { id: 'a b' })
    expect(JSON.parse(await next())).toMatchObject({ id: 1, result: '/orders/a%20b' })
    ask(2, 'price', {})
    expect(JSON.parse(await next())).toMatchObject({ id: 2, result: 12 })
    ask(3, 'render', { page: 7 })
    await vi.waitFor(() => expect(queue).toHaveLength(1))
    expect(jobs.settle(queue[0]?.id ?? '', 'done')).toBe(true)
    expect(JSON.parse(await next())).toMatchObject({ id: 3, result: 'done' })
    await gateway.close({ drainMs: 0 })
  })

  it('shows middleware that works', async () => {
    const gateway = toolkit.wsGateway()
    const channel = gateway.channel('/', { codec: toolkit.jsonCodec() })
    const recorded: unknown[] = []
    let calls = 0
    const given = {
      channel,
      record: (...values: unknown[]) => recorded.push(values.slice(0, 2)),
      quotes: () => {
        calls += 1
        return calls
      },
    }
    runExample('Middleware', given, '')
    const host = await startAttached(new Hono().route('/', gateway.routes))
    const { ws, next } = await open(host, '/')
    for (const id of [1, 2]) ws.send(JSON.stringify({ type: 'quote', id, data: { symbol: 'X' } }))
    expect([JSON.parse(await next()), JSON.parse(await next())]).toMatchObject([{ data: 1 }, { data: 1 }])
    expect(recorded).toStrictEqual([
      ['quote', 'ok'],
      ['quote', 'ok'],
    ])
    await gateway.close({ drainMs: 0 })
  })

  it.each([
    ['Backends', 'httpBackend', toolkit.httpBackend],
    ['Backends', 'wsBackend', toolkit.wsBackend],
    ['Backends', 'queueBackend', toolkit.queueBackend],
    ['Backends', 'loadBalancer', toolkit.loadBalancer],
    ['Middleware', 'throttle', toolkit.throttle],
    ['Middleware', 'rateLimit', toolkit.rateLimit],
    ['Middleware', 'breaker', toolkit.breaker],
    ['Middleware', 'retry', toolkit.retry],
    ['Middleware', 'cache', toolkit.cache],
    ['Middleware', 'tracing', toolkit.tracing],
    ['Middleware', 'basicAuth', toolkit.basicAuth],
    ['Middleware', 'bearer', toolkit.bearer],
    ['Middleware', 'clientIp', toolkit.clientIp],
  ])('%s lists every option of %s', (title, name, factory) => {
    // Each of them says which options it takes when it is given another.
    const message = (() => {
      try {
        ;(factory as (options: object) => unknown)({ misspelt: 1 })
        return ''
      } catch (error) {
        return String(error)
      }
    })()
    const options = /it takes (.*)$/.exec(message)?.[1]?.split(', ') ?? []
    expect(options.length).toBeGreaterThan(1)
    const text = section(title)
    const own = text.slice(text.indexOf(`\`${name}(`))
    for (const option of options) expect(own, option).toMatch(new RegExp(`\\b${option}\\b`))
  })
})
