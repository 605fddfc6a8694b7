// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { Hono } from 'hono'
import { WebSocket, type ClientOptions } from 'ws'
import { attachWebSockets, type UpgradeApp } from '../upgrade/attach.ts'
import type { WsGateway } from '../ws-gateway.ts'
import { checkChaos, type LinkChaos } from './chaos.ts'
import { HandshakeRefused } from './handshake-refused.ts'
import { countingWatch, gaugesOf, type LeakReport, type LeakWatchOptions } from './leak-watch.ts'
import { linkedSockets, type MemorySocket } from './memory-socket.ts'
import { TestClient } from './test-client.ts'

export interface TestGatewayOptions extends LeakWatchOptions {
  /** The app the gateway is mounted in. Default: one with nothing but the gateway, at `/`. */
  readonly app?: UpgradeApp
  /** Decides everything that chaos draws. Default: by chance; `seed` of the gateway says which. */
  readonly seed?: number
  /** Of every connection that has none of its own. Default none. */
  readonly chaos?: LinkChaos
  /** Bytes of each direction that are on their way, as if in the buffers of two kernels. Default 65,536. */
  readonly capacity?: number
}

export interface TestSocketOptions {
  /** The address the server sees. Default `127.0.0.1`. */
  readonly ip?: string
  readonly chaos?: LinkChaos
}

export interface TestConnectOptions extends TestSocketOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly protocols?: readonly string[]
  /** Offers permessage-deflate. Default false. */
  readonly compression?: boolean
}

/** A gateway that is served in memory. */
export interface TestGateway {
  readonly seed: number
  /** Opens a WebSocket; rejects with HandshakeRefused. */
  connect(path: string, options?: TestConnectOptions): Promise<TestClient>
  /** Opens a connection on which nothing is said yet, for handshakes written by hand. */
  socket(options?: TestSocketOptions): Duplex
  /** Waits up to `withinMs`, 2,000 by default, for everything to be as at the start, and says what is not. */
  leakReport(withinMs?: number): Promise<LeakReport>
  /** Closes the gateway at once, and every connection. */
  close(): Promise<void>
}

const host = 'gateway.test'

/**
 * Serves a gateway without a port: clients and server are those of ws and node:http, joined by sockets in memory. Nothing
 * in it waits for a kernel, so the fake timers of a test framework move it through time.
 */
export function testGateway(gateway: WsGateway, options: TestGatewayOptions = {}): TestGateway {
  return new InMemoryGateway(gateway, options)
}

class InMemoryGateway implements TestGateway {
  readonly seed: number
  readonly #gateway: WsGateway
  readonly #options: TestGatewayOptions
  readonly #server = createServer((_incoming, outgoing) => void outgoing.writeHead(426).end())
  readonly #sockets = new Set<MemorySocket>()
  readonly #watch: ReturnType<typeof countingWatch>
  #links = 0

  constructor(gateway: WsGateway, options: TestGatewayOptions) {
    checkChaos(options.chaos ?? {})
    this.seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
    this.#gateway = gateway
    this.#options = options
    attachWebSockets(this.#server, options.app ?? new Hono().route('/', gateway.routes))
    const listenTo = [this.#server, ...(options.listenTo ?? [])]
    this.#watch = countingWatch(() => gaugesOf(gateway).set('sockets', this.#sockets.size), { listenTo })
  }

  connect(path: string, options: TestConnectOptions = {}): Promise<TestClient> {
    const socket = this.socket(options)
    const ws = new WebSocket(`ws://${host}${path}`, [...(options.protocols ?? [])], {
      // ws asks no more of it than of a Duplex; its types do.
      createConnection: (() => socket) as unknown as NonNullable<ClientOptions['createConnection']>,
      headers: { ...options.headers },
      perMessageDeflate: options.compression ?? false,
    })
    return new Promise((resolve, reject) => {
      let response: IncomingMessage | undefined
      let refused: Promise<void> | undefined
      ws.once('upgrade', (answer) => (response = answer))
      ws.once('open', () => {
        if (response !== undefined) resolve(new TestClient(ws, socket, response))
      })
      ws.once('unexpected-response', (_request, answer) => {
        refused = bodyOf(answer).then((body) =>
          reject(new HandshakeRefused(answer.statusCode ?? 0, answer.headers, body)),
        )
      })
      ws.on('error', (error) => {
        if (refused === undefined) reject(error)
      })
    })
  }

  socket({ ip = '127.0.0.1', chaos = this.#options.chaos ?? {} }: TestSocketOptions = {}): MemorySocket {
    checkChaos(chaos)
    this.#links += 1
    const { capacity = 65_536 } = this.#options
    const { client, server } = linkedSockets({ ip, chaos, capacity, seed: this.seed + this.#links })
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', ignore)
      socket.once('close', () => this.#sockets.delete(socket))
    }
    this.#server.emit('connection', server)
    return client
  }

  leakReport(withinMs?: number): Promise<LeakReport> {
    return this.#watch.report(withinMs)
  }

  async close(): Promise<void> {
    await this.#gateway.close({ drainMs: 0 })
    for (const socket of this.#sockets) socket.destroy()
    this.#watch.stop()
  }
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of answer.setEncoding('utf8')) body += chunk
  return body
}

function ignore(): void {}
