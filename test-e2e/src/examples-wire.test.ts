// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import { headers, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { start as startBrowser } from '../../examples/wire-browser/server.js'
import { start as startFilter } from '../../examples/wire-filter/gateway.js'
import { start as startRewrite } from '../../examples/wire-rewrite-subject/gateway.js'
import { start as startTags } from '../../examples/wire-tag-messages/gateway.js'
import { start as startBorder } from '../../examples/wire-tls-border/border.js'
import { describeInChromium, launchChromium } from './support/chromium.ts'
import { patience, repositoryFolder } from './support/program.ts'

const binary = inject('natsServers').at(-1)
if (binary === undefined) throw new Error('no nats-server under test')
let broker: NatsServer

beforeAll(async () => {
  broker = await startNatsServer({ binary })
})
afterAll(() => broker.stop())

/** A client that tells what went wrong, closed with the test. */
async function client(
  port: number | undefined,
  options: NodeConnectionOptions = {},
): Promise<{ nats: NatsConnection; errors: string[] }> {
  const servers = port === undefined ? broker.url : `127.0.0.1:${port}`
  const nats = await connect({ servers, reconnect: false, ...options })
  onTestFinished(() => nats.close())
  const errors: string[] = []
  void (async () => {
    for await (const status of nats.status()) if (status.type === 'error') errors.push(status.error.message)
  })()
  return { nats, errors }
}

function listen(nats: NatsConnection, subject: string): Msg[] {
  const messages: Msg[] = []
  nats.subscribe(subject, { callback: (_, message) => void messages.push(message) })
  return messages
}

describe('examples/wire-rewrite-subject', () => {
  it('lets old clients and new services find each other', async () => {
    const { port, stop } = await startRewrite({ natsUrl: broker.url, port: 0 })
    const { nats: service } = await client(undefined)
    const { nats: old } = await client(port)
    service.subscribe('v2.orders.*', { callback: (_, message) => void message.respond(`from ${message.subject}`) })
    await service.flush()
    expect((await old.request('orders.17', '', { timeout: 10_000 })).string()).toBe('from v2.orders.17')

    const seen = listen(old, 'orders.>')
    await old.flush()
    service.publish('v2.orders.18', 'new')
    service.publish('orders.19', 'nobody uses this name any more')
    await service.flush()
    await vi.waitUntil(() => seen.length === 1, patience)
    expect(seen.map(({ subject }) => subject)).toEqual(['orders.18'])
    await stop()
  })
})

describe('examples/wire-filter', () => {
  it('refuses card numbers and loses internal messages', async () => {
    const { port, stop } = await startFilter({ natsUrl: broker.url, port: 0 })
    const { nats: inside } = await client(undefined)
    const { nats: outside, errors } = await client(port)
    const all = listen(inside, 'chat.>')
    const visible = listen(outside, 'chat.>')
    await Promise.all([inside.flush(), outside.flush()])

    outside.publish('chat.lobby', 'order 4111 1111 1111 1112')
    outside.publish('chat.lobby', 'card 4111-1111-1111-1111')
    outside.publish('payments', 'card 4111 1111 1111 1111')
    await vi.waitUntil(() => errors.length === 1, patience)
    expect(errors[0]).toMatch(/Card Numbers Are Not For Chats/i)
    // A refusal comes from the gateway: the server may not have read yet what came before it.
    await outside.flush()

    const note = headers()
    note.set('Visibility', 'internal')
    inside.publish('chat.lobby', 'not for clients', { headers: note })
    note.set('Visibility', 'public')
    inside.publish('chat.lobby', 'for all', { headers: note })
    await inside.flush()
    await vi.waitUntil(() => visible.length === 2 && all.length === 3, patience)
    expect(visible.map((message) => message.string())).toEqual(['order 4111 1111 1111 1112', 'for all'])
    expect(all.map((message) => message.string())).toEqual(['order 4111 1111 1111 1112', 'not for clients', 'for all'])
    await stop()
  })
})

describe('examples/wire-tag-messages', () => {
  it('says who sent a message, whatever its sender claims', async () => {
    const { port, stop } = await startTags({ natsUrl: broker.url, port: 0 })
    const { nats: service } = await client(undefined)
    const { nats: sender } = await client(port, { name: 'till 4\r\nforged: yes' })
    const seen = listen(service, 'orders.new')
    await service.flush()
    sender.publish('orders.new', 'plain')
    const claims = headers()
    claims.set('Nats-Edge-Client-Ip', '1.2.3.4')
    claims.set('X-Internal-Role', 'admin')
    claims.set('Sent-By', 'the king')
    claims.set('Currency', 'EUR')
    sender.publish('orders.new', 'with headers', { headers: claims })
    await vi.waitUntil(() => seen.length === 2, patience)
    for (const { headers: tags } of seen) {
      expect(tags?.values('Nats-Edge-Client-Ip')).toEqual(['127.0.0.1'])
      expect(tags?.values('Sent-By')).toEqual(['till 4  forged: yes'])
      expect(tags?.get('Nats-Edge-Conn-Id')).toMatch(/^\S+-\w+$/)
      expect(Date.parse(tags?.get('Nats-Edge-Time') ?? '')).toBeGreaterThan(Date.now() - 60_000)
      expect(tags?.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      expect(tags?.has('X-Internal-Role')).toBe(false)
    }
    expect(seen.map((message) => [message.string(), message.headers?.get('Currency')])).toEqual([
      ['plain', ''],
      ['with headers', 'EUR'],
    ])
    await stop()
  })
})

describe('examples/wire-tls-border', () => {
  it('speaks TLS in both ways, with whoever trusts its authority', async () => {
    const { port, firstPort, authority, stop } = await startBorder({ natsUrl: broker.url, port: 0, firstPort: 0 })
    for (const options of [{ port }, { port: firstPort, handshakeFirst: true }]) {
      const { port: to, ...rest } = options
      const { nats } = await client(to, { tls: { ca: authority, ...rest } })
      const seen = listen(nats, 'ada.hello')
      nats.publish('ada.hello', 'hi')
      await vi.waitUntil(() => seen.length === 1, patience)
      expect(nats.info?.tls_required).toBe(true)
      await nats.close()
    }
    await expect(client(port, { tls: {} })).rejects.toThrow(/certificate/)
    await stop()
  })

  it('knows clients by their certificates', async () => {
    const border = await startBorder({ natsUrl: broker.url, port: 0, firstPort: 0, mutual: true })
    const { authority: ca, port, stop } = border
    await expect(client(port, { tls: { ca } })).rejects.toThrow(/certificate required|ECONNRESET/)
    const { nats: service } = await client(undefined)
    const seen = listen(service, 'ada.>')
    await service.flush()
    const { nats, errors } = await client(port, { tls: { ca, ...border.client } })
    nats.publish('ada.orders', 'mine')
    nats.publish('bob.orders', 'his')
    await vi.waitUntil(() => seen.length === 1 && errors.length === 1, patience)
    expect(seen[0]?.headers?.get('Nats-Edge-User')).toBe('certificate:ada')
    expect(errors[0]).toMatch(/Permissions Violation for Publish to "bob.orders"/i)
    await nats.close()
    await stop()
  })
})

describeInChromium('examples/wire-browser', () => {
  let browser: Browser
  let shop: Awaited<ReturnType<typeof startBrowser>>

  beforeAll(async () => {
    const folder = join(repositoryFolder, 'examples/wire-browser')
    await promisify(execFile)(process.execPath, ['build.js'], { cwd: folder })
    browser = await launchChromium()
    shop = await startBrowser({ natsUrl: broker.url, port: 0 })
  })
  afterAll(async () => {
    await browser.close()
    await shop.stop()
  })

  async function open(url: string): Promise<Page> {
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(url)
    return page
  }

  it('publishes what is typed, and shows what comes', async () => {
    const { nats: service } = await client(undefined)
    const seen = listen(service, 'demo.>')
    await service.flush()
    const page = await open(`http://127.0.0.1:${shop.port}/`)
    await page.getByText('connected to').waitFor()

    await page.getByLabel('Text').fill('grüße')
    await page.getByRole('button').click()
    await page.getByText('demo.hello: grüße').waitFor()
    await vi.waitUntil(() => seen.length > 0, patience)
    expect(seen.map((message) => message.string())).toEqual(['grüße'])
    service.publish('demo.news', 'from afar')
    await page.getByText('demo.news: from afar').waitFor()

    await page.getByLabel('Subject').fill('demo..x')
    await page.getByRole('button').click()
    await page.getByText('that is no subject').waitFor()
    await page.getByLabel('Subject').fill('secret')
    await page.getByRole('button').click()
    await page.getByText(/permissions violation for publish/i).waitFor()
    await service.flush()
    expect(seen).toHaveLength(2)
  })

  it('lets no page of another origin in', async () => {
    const stranger = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<p>hi'))
    stranger.listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    onTestFinished(() => void stranger.close())
    const attempt = `new Promise((resolve) => {
      const socket = new WebSocket('ws://127.0.0.1:${shop.port}/nats')
      socket.onopen = () => resolve('open')
      socket.onerror = () => resolve('refused')
    })`
    const own = await open(`http://127.0.0.1:${shop.port}/`)
    expect(await own.evaluate(attempt)).toBe('open')
    const foreign = await open(`http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`)
    expect(await foreign.evaluate(attempt)).toBe('refused')
  })
})
