// SPDX-License-Identifier: Apache-2.0
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { ServerInfo } from '../connect-json.ts'
import { WireError } from '../wire-error.ts'
import type { Backend } from './backend-options.ts'
import type { ResolvedLimits } from './gateway-limits.ts'
import { type Greeting, readGreeting } from './greeting.ts'
import { ReadBuffer } from './read-buffer.ts'
import { SocketTransport } from './socket-transport.ts'
import { serverLingers, type Transport } from './transport.ts'

/** A backend that has said its first INFO. It is paused. */
export interface DialledBackend extends Greeting {
  readonly backend: Backend
  readonly transport: Transport
  readonly info: ServerInfo
}

/** Connects to a backend and reads its INFO, in TLS where one of both asks for it. Rejects with a WireError. */
export async function dialBackend(
  backend: Backend,
  limits: ResolvedLimits,
  signal: AbortSignal,
): Promise<DialledBackend> {
  const dial = new Dial(backend, limits)
  const abort = (): void => dial.destroy()
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    return await dial.run()
  } catch (error) {
    dial.destroy()
    const isSaid = error instanceof WireError && error.code === 'backend_unavailable'
    throw isSaid ? error : unavailable(backend, error)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

class Dial {
  readonly #backend: Backend
  readonly #limits: ResolvedLimits
  #socket: Socket | undefined
  #isDestroyed = false

  constructor(backend: Backend, limits: ResolvedLimits) {
    this.#backend = backend
    this.#limits = limits
  }

  run(): Promise<DialledBackend> {
    if (this.#backend.tls.handshakeFirst === true) return this.#runTlsFirst()
    return this.#backend.dial === undefined ? this.#runUrl() : this.#runDialled(this.#backend.dial)
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#socket?.destroy()
  }

  async #runUrl(): Promise<DialledBackend> {
    const { host, port } = this.#backend
    const source = new ReadBuffer(this.#limits.readBufferBytes)
    const onread = { buffer: () => source.next(), callback: (bytes: number) => source.read(bytes) }
    const socket = this.#own(connectTcp({ host, port, noDelay: true, keepAlive: true, onread }))
    return this.#greet(socket, source)
  }

  async #runDialled(dial: () => Socket | Promise<Socket>): Promise<DialledBackend> {
    return this.#greet(this.#own(await dial()), undefined)
  }

  async #runTlsFirst(): Promise<DialledBackend> {
    const { host, port, dial } = this.#backend
    const under = dial === undefined ? undefined : this.#own(await dial())
    if (under !== undefined) await this.#ready(under, 'connect')
    const target = under === undefined ? { host, port } : { socket: under }
    const socket = this.#own(connectTls({ ...target, ...tlsOptions(this.#backend) }))
    const greeting = readGreeting(socket, undefined, this.#limits)
    await this.#ready(socket, 'secureConnect', greeting)
    socket.setNoDelay(true).setKeepAlive(true)
    return this.#done(socket, undefined, await this.#within(greeting, 'infoTimeoutMs', 'no INFO came'))
  }

  async #greet(socket: Socket, source: ReadBuffer | undefined): Promise<DialledBackend> {
    const reading = readGreeting(socket, source, this.#limits)
    await this.#ready(socket, 'connect', reading)
    const greeting = await this.#within(reading, 'infoTimeoutMs', 'no INFO came')
    const { tls_required: requires, tls_available: offers } = greeting.info
    if (requires !== true && !(this.#backend.prefersTls && offers === true)) {
      if (this.#backend.requiresTls) throw new Error('the server offers no TLS, which tls:// asks for')
      return this.#done(socket, source, greeting)
    }
    // What came in clear behind INFO could be anybody's.
    if (greeting.rest.length > 0) throw new Error('the server sent more than INFO before TLS')
    const secure = this.#own(connectTls({ socket, ...tlsOptions(this.#backend) }))
    await this.#ready(secure, 'secureConnect')
    secure.pause()
    return this.#done(secure, undefined, greeting)
  }

  #done(socket: Socket, source: ReadBuffer | undefined, greeting: Greeting): DialledBackend {
    const transport = new SocketTransport(socket, source, serverLingers)
    transport.pause()
    return { backend: this.#backend, transport, ...greeting }
  }

  #own<S extends Socket>(socket: S): S {
    socket.on('error', ignore)
    this.#socket = socket
    if (this.#isDestroyed) socket.destroy()
    return socket
  }

  /** Waits until the socket is connected; `reading` fails sooner where it closes. */
  #ready(socket: Socket | TLSSocket, event: 'connect' | 'secureConnect', reading?: Promise<unknown>): Promise<unknown> {
    if (event === 'connect' && !socket.connecting && !socket.destroyed) return Promise.resolve()
    const opened = new Promise<void>((resolve, reject) => {
      socket.once(event, resolve)
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the connection was closed')))
    })
    opened.catch(ignore)
    const first = reading === undefined ? opened : Promise.race([opened, reading.then(() => opened)])
    return this.#within(first, 'dialTimeoutMs', 'it does not answer')
  }

  async #within<T>(work: Promise<T>, limit: 'dialTimeoutMs' | 'infoTimeoutMs', text: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${text} within ${limit} (${this.#limits[limit]})`)),
        this.#limits[limit],
      )
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

function tlsOptions({ host, tls }: Backend): ConnectionOptions {
  const { ca, cert, key, rejectUnauthorized } = tls
  // RFC 6066, section 3: an address is no server name.
  const servername = tls.servername ?? (isIP(host) === 0 ? host : '')
  return {
    servername,
    ...(host === '' ? {} : { host }),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: rejectUnauthorized ?? true,
    ...(ca === undefined ? {} : { ca: Array.isArray(ca) ? [...ca] : (ca as string | Buffer) }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}

function unavailable(backend: Backend, cause: unknown): WireError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new WireError('backend_unavailable', `backend ${backend.id}: ${reason}`, { cause })
}

function ignore(): void {}
