// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { start as startEcho } from '../../examples/ws-echo/server.js'
import { start as startShop } from '../../examples/ws-http-backend/server.js'
import { start as startOrders } from '../../examples/ws-http-backend/service.js'
import { start as startPassthrough } from '../../examples/ws-passthrough/server.js'
import { start as startUpstream } from '../../examples/ws-passthrough/upstream.js'
import { start as startQueue } from '../../examples/ws-queue-redis/server.js'
import { patience, Program, repositoryFolder } from './support/program.ts'
import { describeWithRedis, startRedis } from './support/redis.ts'

/** A client of a test, with all it has received. */
class Client {
  readonly socket: WebSocket
  readonly received: (string | Buffer)[] = []
  readonly closed: Promise<readonly [code: number, reason: string]>
  #id = 0

  constructor(url: string, protocols: string[], options: ClientOptions) {
    this.socket = new WebSocket(url, protocols, options)
    this.socket.on('message', (data: Buffer, isBinary) => this.received.push(isBinary ? data : String(data)))
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve([code, String(reason)]))
    })
    this.socket.on('error', () => undefined)
    onTestFinished(() => this.socket.terminate())
  }

  static async open(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<Client> {
    const client = new Client(url, protocols, options)
    await new Promise((resolve, reject) => client.socket.once('open', resolve).once('error', reject))
    return client
  }

  async next(): Promise<string | Buffer> {
    await vi.waitUntil(() => this.received.length > 0, patience)
    return this.received.shift() ?? ''
  }

  /** Asks by JSON-RPC; gives the result or the error. */
  async call(method: string, params: object): Promise<unknown> {
    const id = ++this.#id
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    return this.answerTo(id)
  }

  /** The message with this id, whatever came before it. */
  async answerTo(id: number): Promise<{ readonly [name: string]: unknown }> {
    for (;;) {
      const message = JSON.parse(String(await this.next())) as { readonly [name: string]: unknown }
      if (message['id'] === id) return message
    }
  }
}

describe('examples/ws-echo', () => {
  it('gives back text as text and binary as binary, and says goodbye', async () => {
    const { port, stop } = await startEcho({ port: 0 })
    const client = await Client.open(`ws://127.0.0.1:${port}/ws/echo`)
    client.socket.send('grüße')
    client.socket.send(Buffer.from([0, 255, 10]))
    client.socket.send('')
    expect(await client.next()).toBe('grüße')
    expect(await client.next()).toEqual(Buffer.from([0, 255, 10]))
    expect(await client.next()).toBe('')
    await stop()
    expect(await client.closed).toEqual([1012, expect.stringMatching(/retry/)])
  })

  it('holds clients to its limits', async () => {
    const { port, stop } = await startEcho({ port: 0 })
    const url = `ws://127.0.0.1:${port}/ws/echo`
    const client = await Client.open(url)
    client.socket.send('x'.repeat(65_537))
    expect(await client.closed).toEqual([1009, ''])
    await expect(Client.open(url, [], { origin: 'https://evil.example' })).rejects.toThrow('403')
    await stop()
  })
})

describe('examples/ws-http-backend', () => {
  /** A service that answers as it is told, and counts. */
  async function moodyService(
    answer: (response: ServerResponse, asked: number, request: IncomingMessage) => void,
  ): Promise<{ origin: string; asked: () => number }> {
    let asked = 0
    const server = createServer((request, response) => answer(response, ++asked, request)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked }
  }

  async function shop(origin: string): Promise<Client> {
    const { port, stop } = await startShop({ origin, port: 0 })
    onTestFinished(stop)
    return Client.open(`ws://127.0.0.1:${port}/ws/shop`)
  }

  it('answers and streams what the service says', async () => {
    const orders = await startOrders({ port: 0 })
    onTestFinished(() => void orders.stop())
    const client = await shop(`http://127.0.0.1:${orders.port}`)
    expect(await client.call('order', { id: '17' })).toMatchObject({ result: { item: 'clock', status: 'packed' } })
    client.socket.send('{"jsonrpc":"2.0","id":"h","method":"order.history","params":{"id":"17"}}')
    const stages: unknown[] = []
    for (;;) {
      const message = JSON.parse(String(await client.next()))
      if (message.id === 'h') break
      stages.push(message.params.value.status)
    }
    expect(stages).toEqual(['ordered', 'paid', 'packed'])
    const missing = await client.call('order', { id: '../17' })
    expect(missing).toMatchObject({ error: { data: { code: 'bad_reply', details: { status: 404 } } } })
  })

  it('tries again when the service fails, and not when the client does', async () => {
    const { origin, asked } = await moodyService((response, asked, { url }) => {
      if (url === '/orders/0') return response.writeHead(404).end()
      return response.writeHead(asked < 3 ? 503 : 200, { 'Content-Type': 'application/json' }).end('{"asked":3}')
    })
    const client = await shop(origin)
    expect(await client.call('order', { id: '1' })).toMatchObject({ result: { asked: 3 } })
    expect(await client.call('order', { id: '0' })).toMatchObject({ error: { data: { details: { status: 404 } } } })
    expect(asked()).toBe(4)
  })

  it('leaves a service alone that keeps failing', async () => {
    const { origin, asked } = await moodyService((response) => response.writeHead(500).end())
    const client = await shop(origin)
    const codes: unknown[] = []
    for (let i = 0; i < 6; i++) {
      const answer = (await client.call('order', { id: '1' })) as { error: { data: Record<string, unknown> } }
      codes.push(answer.error.data['code'])
    }
    expect(codes).toContain('circuit_open')
    expect(asked()).toBe(10)
  })

  it('waits three seconds at most', async () => {
    const { origin } = await moodyService(() => undefined)
    const client = await shop(origin)
    const begin = performance.now()
    expect(await client.call('order', { id: '1' })).toMatchObject({ error: { data: { code: 'timeout' } } })
    expect(performance.now() - begin).toBeLessThan(8500)
  })
})

describe('examples/ws-passthrough', () => {
  async function passthrough(): Promise<{ url: string; upstream: Awaited<ReturnType<typeof startUpstream>> }> {
    const upstream = await startUpstream({ port: 0 })
    onTestFinished(upstream.stop)
    const { port, stop } = await startPassthrough({ upstream: `ws://127.0.0.1:${upstream.port}/live`, port: 0 })
    onTestFinished(stop)
    return { url: `ws://127.0.0.1:${port}/ws/live`, upstream }
  }

  it('passes words, types and names on, and the way it ends', async () => {
    const { url } = await passthrough()
    const headers = { authorization: 'Bearer ada', cookie: 'secret=1', origin: url.replace(/^ws(.*)\/ws.*$/, 'http$1') }
    const client = await Client.open(url, ['chat.v0', 'chat.v2'], { headers })
    expect(await client.next()).toBe('Bearer ada speaks chat.v2')
    client.socket.send('hello')
    client.socket.send(Buffer.from([1, 2]))
    expect([await client.next(), await client.next()]).toEqual(['hello', Buffer.from([1, 2])])
    client.socket.send('bye')
    expect(await client.closed).toEqual([4321, 'you said bye'])
  })

  it('closes clients whose service is away', async () => {
    const { url, upstream } = await passthrough()
    await upstream.stop()
    const client = await Client.open(url)
    expect(await client.closed).toEqual([1011, ''])
  })
})

describeWithRedis('examples/ws-queue-redis', () => {
  const worker = (redisUrl: string, stuckMs: number): Program =>
    new Program(process.execPath, [join(repositoryFolder, 'examples/ws-queue-redis/worker.js')], {
      env: { REDIS_URL: redisUrl, STUCK_MS: String(stuckMs) },
    })

  let servers: { redisUrl: string; url: string; stopRedis: () => Promise<void> }
  beforeAll(async () => {
    const redis = await startRedis()
    const { port, stop } = await startQueue({ redisUrl: redis.url, port: 0 })
    servers = { redisUrl: redis.url, url: `ws://127.0.0.1:${port}/ws/work`, stopRedis: redis.stop }
    return async () => {
      await stop()
      await redis.stop()
    }
  })

  const render = (client: Client, id: number, data: object): void =>
    client.socket.send(JSON.stringify({ type: 'render', id, data }))

  it('lets workers answer, in any order', async () => {
    // Nobody takes over the work of one that merely stands still for a moment.
    await using first = worker(servers.redisUrl, 60_000)
    await using second = worker(servers.redisUrl, 60_000)
    await Promise.all([first.printed(/(ready)/), second.printed(/(ready)/)])
    const client = await Client.open(servers.url)
    render(client, 1, { title: 'slow', seconds: 2.5 })
    await vi.waitUntil(() => /working/.test(first.output + second.output), patience)
    render(client, 2, { title: 'quick' })
    render(client, 3, {})
    const answers = [await client.next(), await client.next(), await client.next()].map((text) =>
      JSON.parse(String(text)),
    )
    expect(answers.map(({ id }) => id)).toEqual([2, 3, 1])
    expect(answers[0].data.title).toBe('QUICK')
    expect(answers[1].error).toMatchObject({ code: 'bad_reply', message: 'title: is missing' })
    expect(new Set([answers[0].data.by, answers[2].data.by]).size).toBe(2)
  })

  it('hands the job of a killed worker to another', async () => {
    const client = await Client.open(servers.url)
    {
      await using doomed = worker(servers.redisUrl, 300)
      await doomed.printed(/(ready)/)
      // Longer than it has to live.
      render(client, 1, { title: 'important', seconds: 1.5 })
      await doomed.printed(/(working)/)
    }
    await using heir = worker(servers.redisUrl, 300)
    await heir.printed(/(working)/)
    expect(await client.answerTo(1)).toMatchObject({ data: { title: 'IMPORTANT', by: `worker-${heir.pid}` } })
  })

  it('fails requests at once while Redis is away', async () => {
    const complaints = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => complaints.mockRestore())
    const client = await Client.open(servers.url)
    await servers.stopRedis()
    await vi.waitUntil(() => complaints.mock.calls.length > 0, patience)
    render(client, 1, { title: 'lost' })
    expect(await client.answerTo(1)).toMatchObject({ error: { code: 'disconnected', message: 'the queue is away' } })
  })
})
