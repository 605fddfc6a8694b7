// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import { expect, inject, it, onTestFinished } from 'vitest'
import * as exports from '../gateway.ts'
import { resolveLimits } from './gateway-limits.ts'
import { optionKeys } from './gateway-options.ts'
import { connectTo, eventually, startBroker } from './rig.test-support.ts'

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
const section = /^## Gateway\n(.*?)^## /ms.exec(readme)?.[1] ?? ''
/** The first two cells of every row of its tables. */
const rows = [...section.matchAll(/^\| (.+?) \|(?: (.+?) \|)?/gm)].map((row) => [row[1] ?? '', row[2] ?? ''] as const)

function rowOf(name: string): readonly [string, string] {
  return rows.find(([names]) => new RegExp(`\`${name}[\`(]`).test(names)) ?? expect.fail(`no row for ${name}`)
}

it('shows an example in the README that works', async () => {
  const binary = inject('natsServers').at(-1) ?? expect.fail()
  const server = await startBroker(binary)
  const events: string[] = []
  const example = /^```ts\n(.*?)^```/ms.exec(section)?.[1] ?? ''
  const script = example
    .replace(/^import (\{.*\}) from .*$/m, 'const $1 = exports')
    .replace('nats://127.0.0.1:4222', server.url)
    .replace('port: 4223', 'port: 0')
  // oxlint-disable-next-line typescript/no-implied-eval
  const run = new Function('exports', 'console', `return (async () => { ${script}\nreturn { gateway, port } })()`) as (
    given: typeof exports,
    console: { log(text: string): void },
  ) => Promise<{ gateway: exports.WireGateway; port: number }>
  const { gateway, port } = await run(exports, { log: (text) => void events.push(text) })
  onTestFinished(() => gateway.close({ drainMs: 0 }))
  const nats = await connectTo(`nats://127.0.0.1:${port}`)
  const got: string[] = []
  nats.subscribe('a', { callback: (_, { headers }) => void got.push(headers?.get('Nats-Edge-Client-Ip') ?? 'none') })
  const told: string[] = []
  void (async () => {
    for await (const status of nats.status()) if (status.type === 'error') told.push(status.error.message)
  })()
  nats.publish('a', 'short')
  nats.publish('a', 'x'.repeat(1001))
  nats.publish('$SYS.REQ.SERVER.PING')
  await nats.flush()
  expect(got).toEqual(['127.0.0.1'])
  await eventually(() => told.length === 2)
  expect(told.join()).toMatch(/Too Long For Us.*Permissions Violation for Publish to "\$SYS.REQ.SERVER.PING"/is)
  expect(events).toEqual(expect.arrayContaining(['connection.opened', 'operation.denied', 'operation.replaced']))
})

it('lists every option', () => {
  for (const name of optionKeys) expect(rowOf(name)).toBeDefined()
})

it('lists every limit with its default', () => {
  for (const [name, value] of Object.entries(resolveLimits('limits', {}))) {
    const [names, defaults] = rowOf(name)
    const position = names.split(', ').indexOf(`\`${name}\``)
    const said = defaults.split(', ').at(defaults.includes(',') ? position : 0) ?? ''
    expect(said, name).toBe(name === 'preConnectBytes' ? '`maxConnectBytes` + 1024' : String(value))
  }
})

it('lists every hook, decision and handler', () => {
  const hooks = ['onAccept', 'onInfo', 'onConnect', 'onPublish', 'onSubscribe', 'onUnsubscribe', 'onMessage', 'onClose']
  for (const name of hooks) expect(rowOf(name)).toBeDefined()
  exports.wireGateway({
    backends: [{ url: 'nats://127.0.0.1' }],
    hooks: Object.fromEntries(hooks.map((name) => [name, () => undefined])),
  })
  for (const name of Object.keys(exports)) expect(section).toContain(`${name}(`)
})

it('lists what a gateway is', () => {
  const gateway = exports.wireGateway({ backends: [{ url: 'nats://127.0.0.1' }] })
  expect(gateway.routes).toBeInstanceOf(Hono)
  const said = /it is `\{ (.*?) \}`/.exec(section)?.[1]?.split(', ') ?? []
  expect(said.toSorted()).toEqual(Object.keys(gateway).toSorted())
})
