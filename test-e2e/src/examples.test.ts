// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import { restProxy } from '@nats-edge/rest-proxy'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { start as startShop } from '../../examples/mount-in-hono/server.js'
import { start as startNotes } from '../../examples/rest-service/service.js'
import { repositoryFolder } from './support/program.ts'

const binary = inject('natsServers').at(-1)
if (binary === undefined) throw new Error('no nats-server under test')
let broker: NatsServer

beforeAll(async () => {
  broker = await startNatsServer({ binary })
})
afterAll(() => broker.stop())

const examples = readdirSync(join(repositoryFolder, 'examples')).filter((name) => !name.startsWith('.'))

describe.each(examples)('examples/%s', (name) => {
  const read = (file: string): string => readFileSync(join(repositoryFolder, file), 'utf8')

  it('is listed, and described on one page', () => {
    expect(read('README.md')).toContain(`(examples/${name}/README.md)`)
    const description = read(`examples/${name}/README.md`)
    expect(description).toMatch(/^# \S/)
    expect(description.trimEnd().split('\n').length).toBeLessThanOrEqual(40)
  })
})

describe('examples/mount-in-hono', () => {
  it('answers below /api through NATS, under its own middleware', async () => {
    const shop = await startShop({ natsUrl: broker.url, port: 0 })
    const nats = await connect({ servers: broker.url })
    nats.subscribe('orders.*.get', {
      callback: (_, message) => void message.respond(`{"subject":"${message.subject}"}`),
    })
    await nats.flush()
    const url = `http://127.0.0.1:${shop.port}`
    const order = await fetch(`${url}/api/orders/17`, { headers: { Origin: 'https://shop.example' } })
    expect(order.status).toBe(200)
    expect(await order.json()).toEqual({ subject: 'orders.17.get' })
    expect(order.headers.get('access-control-allow-origin')).toBe('https://shop.example')
    expect(order.headers.get('x-content-type-options')).toBe('nosniff')
    expect((await fetch(`${url}/api/other`)).status).toBe(404)
    expect(await (await fetch(url)).text()).toBe('the shop')
    await nats.close()
    await shop.stop()
  })
})

describe('examples/rest-service', () => {
  it('stores and gives back notes behind the proxy', async () => {
    const notes = await startNotes({ natsUrl: broker.url })
    const nats = await connect({ servers: broker.url })
    const { routes, close } = restProxy({ nats })
    expect((await routes.request('/notes/1')).status).toBe(404)
    const put = await routes.request('/notes/1', { method: 'PUT', body: '{"text":"milk"}' })
    expect(put.status).toBe(201)
    expect(put.headers.get('server-timing')).toMatch(/^app;dur=/)
    expect(await (await routes.request('/notes/1')).json()).toEqual({ text: 'milk' })
    await close()
    await nats.close()
    await notes.stop()
  })
})

describe('examples/embedded-broker-tests', () => {
  it('passes on the Node test runner', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', 'orders.test.js'], {
      cwd: join(repositoryFolder, 'examples/embedded-broker-tests'),
      env: { ...process.env, NATS_SERVER_BIN: binary.path, NODE_TEST_CONTEXT: undefined },
    })
    expect(stdout).toMatch(/^. pass 1$/m)
    expect(stdout).toMatch(/^. fail 0$/m)
  })
})
