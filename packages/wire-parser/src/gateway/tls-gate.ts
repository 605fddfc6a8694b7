// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls'
import type { ListenerTls, ListenerTlsOptions } from './tls-options.ts'

interface Handshake {
  readonly resolve: (socket: TLSSocket) => void
  readonly reject: (error: Error) => void
}

/** Makes TLS connections of accepted ones. */
export class TlsGate {
  readonly #server: Server
  readonly #handshakes = new Map<string, Handshake>()

  constructor(tls: ListenerTls, handshakeTimeoutMs: number) {
    const { clientCertificate, options } = tls
    this.#server = createServer({
      ...contextOptions(options),
      requestCert: clientCertificate !== 'none',
      rejectUnauthorized: clientCertificate === 'require',
      handshakeTimeout: handshakeTimeoutMs,
    })
    this.#addHosts(options)
    this.#server.on('secureConnection', (socket) => this.#handshakes.get(peerOf(socket))?.resolve(socket))
    this.#server.on('tlsClientError', (error, socket) => {
      // The socket has gone by then; the one under it tells whoever waits.
      socket.on('error', ignore)
      this.#handshakes.get(peerOf(socket))?.reject(error)
    })
  }

  /** New connections get these certificates. */
  update({ options }: ListenerTls): void {
    this.#server.setSecureContext(contextOptions(options))
    this.#addHosts(options)
  }

  /** Resolves once TLS stands; rejects where the client does not get that far in time. */
  secure(socket: Socket): Promise<TLSSocket> {
    const peer = peerOf(socket)
    return new Promise((resolve, reject) => {
      const closed = (): void => end(() => reject(new Error('the client closed the connection before TLS')))
      const end = (settle: () => void): void => {
        socket.off('close', closed)
        this.#handshakes.delete(peer)
        settle()
      }
      this.#handshakes.set(peer, {
        resolve: (secure) => end(() => resolve(secure)),
        reject: (error) => end(() => reject(error)),
      })
      socket.on('close', closed)
      this.#server.emit('connection', socket)
    })
  }

  #addHosts({ hosts = {} }: ListenerTlsOptions): void {
    for (const [name, pair] of Object.entries(hosts)) this.#server.addContext(name, { cert: pair.cert, key: pair.key })
  }
}

function contextOptions({ cert, key, ca }: ListenerTlsOptions): TlsOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca: Array.isArray(ca) ? [...ca] : (ca as string | Buffer) }),
  }
}

// Both sockets, the one in clear and the one in TLS on top of it, have the same peer, and no other one has.
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

function ignore(): void {}
