// SPDX-License-Identifier: Apache-2.0
import { Duplex } from 'node:stream'
import { randomFrom, type LinkChaos } from './chaos.ts'
import { connectionReset, Pipe } from './pipe.ts'

/** What a link between two sockets is like. */
export interface LinkOptions {
  /** The address the server sees. */
  readonly ip: string
  readonly chaos: LinkChaos
  readonly seed: number
  /** Bytes of each direction that are on their way, as if in the buffers of two kernels. */
  readonly capacity: number
}

/** One end of a connection that is nowhere but in memory; node:http, ws and the gateway take it for a socket. */
export class MemorySocket extends Duplex {
  readonly remoteAddress: string
  readonly remotePort: number = 0
  bytesRead = 0
  bytesWritten = 0
  #out: Pipe | undefined
  #in: Pipe | undefined

  constructor(remoteAddress: string, allowHalfOpen: boolean) {
    super({ allowHalfOpen })
    this.remoteAddress = remoteAddress
  }

  /** Joins this end to the pipes it writes to and reads from. */
  join(out: Pipe, into: Pipe): void {
    this.#out = out
    this.#in = into
  }

  /** For both ends the connection is reset. */
  cut(): void {
    this.destroy(connectionReset())
  }

  /** Neither end hears of the other again. */
  vanish(): void {
    this.#out?.lose()
    this.#in?.lose()
  }

  override push(bytes: Uint8Array | null): boolean {
    this.bytesRead += bytes?.length ?? 0
    const wantsMore = super.push(bytes)
    // As node:net does: the end is told even where nobody reads yet, as during a handshake.
    if (bytes === null) this.read(0)
    return wantsMore
  }

  override _read(): void {
    this.#in?.pull()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.bytesWritten += chunk.length
    this.#out?.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#out?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#out?.end()
    this.#in?.readerGone()
    done(error)
  }
}

/** Makes both ends of a connection. */
export function linkedSockets(options: LinkOptions): { readonly client: MemorySocket; readonly server: MemorySocket } {
  const { chaos, seed, capacity, ip } = options
  const client = new MemorySocket('', false)
  // As those of node:http: the server may still answer a client that has said all.
  const server = new MemorySocket(ip, true)
  const cut = (): void => {
    client.cut()
    server.cut()
  }
  const toServer = new Pipe(server, capacity, { chaos: chaos.toServer ?? {}, random: randomFrom(seed), cut })
  const toClient = new Pipe(client, capacity, { chaos: chaos.toClient ?? {}, random: randomFrom(~seed), cut })
  client.join(toServer, toClient)
  server.join(toClient, toServer)
  return { client, server }
}
