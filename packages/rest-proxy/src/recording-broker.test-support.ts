// SPDX-License-Identifier: Apache-2.0
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** One PUB or HPUB exactly as it came over the wire. */
export interface RecordedPublish {
  /** latin1: one character per byte. */
  readonly subject: string
  readonly reply: string
  /** The header block; empty for a PUB. */
  readonly headers: string
  readonly payload: Buffer
}

export interface RecordingBrokerOptions {
  /** What every request is answered with. Default: nats-proxy's empty 200. */
  readonly reply?: Buffer
  readonly maxPayload?: number
}

/**
 * A broker that believes nothing: it records what is published, byte by byte, and notes whatever is no command of the
 * protocol. A real server would close the connection or deliver to nobody, and so hide what was tried.
 */
export class RecordingBroker {
  readonly published: RecordedPublish[] = []
  /** Lines that are no command a client may send. */
  readonly garbage: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #options: RecordingBrokerOptions

  private constructor(options: RecordingBrokerOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(options: RecordingBrokerOptions = {}): Promise<RecordingBroker> {
    const broker = new RecordingBroker(options)
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve))
    return broker
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    return `nats://127.0.0.1:${port}`
  }

  /** What was published since the last call. */
  take(): RecordedPublish[] {
    return this.published.splice(0)
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    this.#info(socket, this.#options.maxPayload ?? 1_048_576)
    const session = new Session(this, socket, this.#options.reply ?? Buffer.from('08c8012000', 'hex'))
    socket.on('data', (chunk: Buffer) => session.read(chunk))
  }

  /** Tells every client another limit, as a server does whose configuration is reloaded. */
  announce(maxPayload: number): void {
    for (const socket of this.#sockets) this.#info(socket, maxPayload)
  }

  #info(socket: Socket, max_payload: number): void {
    const info = {
      server_id: 'recorder',
      version: '2.15.2',
      proto: 1,
      headers: true,
      max_payload,
      host: '127.0.0.1',
      port: 1,
    }
    socket.write(`INFO ${JSON.stringify(info)}\r\n`)
  }
}

class Session {
  readonly #broker: RecordingBroker
  readonly #socket: Socket
  readonly #reply: Buffer
  readonly #subscriptions: { readonly sid: string; readonly pattern: string }[] = []
  #buffer = Buffer.alloc(0)

  constructor(broker: RecordingBroker, socket: Socket, reply: Buffer) {
    this.#broker = broker
    this.#socket = socket
    this.#reply = reply
  }

  read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (;;) {
      const end = this.#buffer.indexOf('\r\n')
      if (end === -1 || !this.#command(this.#buffer.toString('latin1', 0, end), end + 2)) return
    }
  }

  /** Returns whether the whole command was there. */
  #command(line: string, start: number): boolean {
    const [verb = '', ...args] = line.split(' ')
    if (verb === 'PUB' || verb === 'HPUB') return this.#publish(verb, args, start)
    this.#buffer = this.#buffer.subarray(start)
    if (verb === 'PING') this.#socket.write('PONG\r\n')
    else if (verb === 'SUB') this.#subscriptions.push({ pattern: args[0] ?? '', sid: args.at(-1) ?? '' })
    else if (verb !== 'CONNECT' && verb !== 'PONG' && verb !== 'UNSUB') this.#broker.garbage.push(line)
    return true
  }

  #publish(verb: string, args: readonly string[], start: number): boolean {
    const sizes = verb === 'PUB' ? 1 : 2
    const words = args.slice(0, -sizes)
    const total = Number(args.at(-1))
    const headerSize = verb === 'HPUB' ? Number(args.at(-2)) : 0
    if (words.length === 0 || words.length > 2 || !Number.isInteger(total) || !(headerSize <= total)) {
      this.#broker.garbage.push(`${verb} ${args.join(' ')}`)
      this.#buffer = this.#buffer.subarray(start)
      return true
    }
    if (this.#buffer.length < start + total + 2) return false
    const body = this.#buffer.subarray(start, start + total)
    if (this.#buffer.toString('latin1', start + total, start + total + 2) !== '\r\n')
      this.#broker.garbage.push('no CR LF')
    this.#buffer = this.#buffer.subarray(start + total + 2)
    const [subject = '', reply = ''] = words
    const headers = body.toString('latin1', 0, headerSize)
    this.#broker.published.push({ subject, reply, headers, payload: body.subarray(headerSize) })
    this.#answer(reply)
    return true
  }

  #answer(reply: string): void {
    if (reply === '') return
    const subscription = this.#subscriptions.find(({ pattern }) => {
      return pattern === reply || (pattern.endsWith('*') && reply.startsWith(pattern.slice(0, -1)))
    })
    if (subscription === undefined) return
    const line = Buffer.from(`MSG ${reply} ${subscription.sid} ${this.#reply.length}\r\n`)
    this.#socket.write(Buffer.concat([line, this.#reply, Buffer.from('\r\n')]))
  }
}
