// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import type { Environment } from '../machine.ts'
import { openTunnel, proxyFor } from './proxy.ts'

/** Bounds of a download and what it needs. */
export interface DownloadOptions {
  readonly env: Environment
  /** Longest wait for a connection, the proxy's and TLS's included. */
  readonly connectMs: number
  /** Longest wait for the next bytes. */
  readonly stallMs: number
  readonly maxBytes: number
  /** A certificate authority to trust beside the well-known ones. */
  readonly ca?: string
  readonly signal: AbortSignal
  readonly onBytes?: (received: number, total: number | undefined) => void
}

const maxRedirects = 5

/** Downloads a file into memory; rejects with an Error that says in one line what went wrong. */
export async function download(address: string, options: DownloadOptions): Promise<Uint8Array> {
  let url = new URL(address)
  for (let hops = 0; hops <= maxRedirects; hops++) {
    const answer = await fetchOnce(url, options)
    if (answer instanceof Uint8Array) return answer
    const next = new URL(answer.location, url)
    if (url.protocol === 'https:' && next.protocol !== 'https:')
      throw new Error(`${url.host} redirects away from https`)
    url = next
  }
  throw new Error(`${url.host} redirects more than ${maxRedirects} times`)
}

async function fetchOnce(url: URL, options: DownloadOptions): Promise<Uint8Array | { location: string }> {
  const patience = new Patience(options.signal)
  patience.wait(options.connectMs, `no connection to ${url.host} within ${options.connectMs} ms`)
  try {
    const response = await respond(url, options, patience)
    const { location } = response.headers
    if (location !== undefined && isRedirect(response.statusCode)) {
      response.destroy()
      return { location }
    }
    if (response.statusCode === 200) return await readBody(response, url, options, patience)
    response.destroy()
    throw new Error(`${url.host} answered ${response.statusCode}`)
  } catch (error) {
    options.signal.throwIfAborted()
    throw patience.reason ?? error
  } finally {
    patience.end()
  }
}

function isRedirect(status: number | undefined): boolean {
  return status !== undefined && [301, 302, 303, 307, 308].includes(status)
}

async function respond(url: URL, options: DownloadOptions, patience: Patience): Promise<IncomingMessage> {
  const { signal } = patience
  const proxy = proxyFor(url, options.env)
  const trust = options.ca === undefined ? {} : { ca: options.ca }
  const tunnel = proxy ? await openTunnel(proxy, url, { signal, ...trust }) : undefined
  // An agent, a new one of `agent: false` too, would connect by itself and not through the tunnel.
  const connection = tunnel ? { createConnection: () => secured(tunnel, url, options.ca) } : { agent: false as const }
  const details: RequestOptions = { signal, headers: { 'User-Agent': 'nats-edge' }, ...connection, ...trust }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, details)
    request.once('socket', (socket) => {
      const connected = (): void => patience.wait(options.stallMs, `${url.host} sent nothing for ${options.stallMs} ms`)
      if (socket.connecting || url.protocol === 'https:') {
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', connected)
      } else connected()
    })
    request.once('response', resolve)
    request.once('error', reject)
    request.end()
  })
}

function secured(tunnel: Socket, url: URL, ca: string | undefined): Socket {
  if (url.protocol !== 'https:') return tunnel
  return tlsConnect({ socket: tunnel, servername: url.hostname, ...(ca === undefined ? {} : { ca }) })
}

async function readBody(
  response: IncomingMessage,
  url: URL,
  options: DownloadOptions,
  patience: Patience,
): Promise<Uint8Array> {
  const announced = Number(response.headers['content-length'])
  const total = Number.isNaN(announced) ? undefined : announced
  const tooBig = new Error(`${url.host} sends more than ${options.maxBytes} bytes`)
  if (total !== undefined && total > options.maxBytes) {
    response.destroy()
    throw tooBig
  }
  const chunks: Uint8Array[] = []
  let received = 0
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) continue
    received += chunk.length
    if (received > options.maxBytes) throw tooBig
    chunks.push(chunk)
    options.onBytes?.(received, total)
    patience.wait(options.stallMs, `${url.host} sent nothing for ${options.stallMs} ms`)
  }
  return Buffer.concat(chunks)
}

/** One deadline at a time for whatever is waited for; when it passes, the signal aborts with the reason it was given. */
class Patience {
  readonly signal: AbortSignal
  reason: Error | undefined
  readonly #over = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#over.signal])
  }

  wait(timeoutMs: number, message: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.reason = new Error(message)
      this.#over.abort(this.reason)
    }, timeoutMs)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
