// SPDX-License-Identifier: Apache-2.0
import { HttpConnection, type HttpConnectionEvents } from './http-connection.ts'
import type { LoadResult } from './load-result.ts'
import { LoadTally } from './load-tally.ts'

export interface HttpLoadOptions {
  readonly host: string
  readonly port: number
  /** The bytes of one whole request, sent as they are every time. */
  readonly request: Uint8Array
  /** Keep-alive connections, each with one request outstanding. */
  readonly connections: number
  /** How long requests are sent; what is outstanding then is waited for. */
  readonly durationMs: number
  /** How long an outstanding answer is waited for after that. Default 10000: longer than any timeout of ours. */
  readonly drainMs?: number
}

/**
 * Sends one prebuilt request over and over and counts the answers: 2xx are operations, everything else is an error. A
 * connection that ends or cannot be read is an error and is not replaced; the load is over when its time is up and the
 * outstanding answers are in, or when no connection is left.
 */
export function runHttpLoad(options: HttpLoadOptions): Promise<LoadResult> {
  return new HttpLoad(options).run()
}

class HttpLoad implements HttpConnectionEvents {
  readonly #options: HttpLoadOptions
  readonly #busy = new Set<HttpConnection>()
  readonly #idle = new Set<HttpConnection>()
  readonly #tally = new LoadTally()
  #phase: 'connecting' | 'sending' | 'draining' = 'connecting'
  #over: () => void = () => {}

  constructor(options: HttpLoadOptions) {
    this.#options = options
  }

  async run(): Promise<LoadResult> {
    const { durationMs, drainMs = 10_000 } = this.#options
    await this.#connect()
    const over = new Promise<void>((resolve) => (this.#over = resolve))
    this.#phase = 'sending'
    this.#tally.start()
    for (const connection of this.#idle) this.#send(connection, performance.now())
    if (this.#busy.size === 0) this.#over()
    const stopSending = setTimeout(() => (this.#phase = 'draining'), durationMs)
    const giveUp = setTimeout(() => this.#giveUp(), durationMs + drainMs)
    await over
    clearTimeout(stopSending)
    clearTimeout(giveUp)
    const result = this.#tally.result()
    for (const connection of [...this.#idle, ...this.#busy]) connection.close()
    return result
  }

  onAnswer(connection: HttpConnection, status: number, sentAt: number, now: number): void {
    if (status >= 200 && status < 300) this.#tally.done(sentAt, now)
    else this.#tally.failed(`status ${status}`)
    if (this.#phase === 'sending') connection.send(this.#options.request, now)
    else this.#release(connection, true)
  }

  onEnd(connection: HttpConnection, what: string): void {
    const wasBusy = this.#busy.has(connection)
    // A server may well hang up on a connection that has nothing more to send.
    if (wasBusy || this.#phase === 'connecting') this.#tally.failed(what)
    this.#idle.delete(connection)
    if (wasBusy) this.#release(connection, false)
  }

  async #connect(): Promise<void> {
    const { host, port, connections } = this.#options
    const opening = Array.from({ length: connections }, () => HttpConnection.open(host, port, this))
    for (const opened of await Promise.allSettled(opening)) {
      if (opened.status === 'rejected') this.#tally.failed(String(opened.reason))
      else if (!opened.value.ended) this.#idle.add(opened.value)
    }
  }

  #send(connection: HttpConnection, now: number): void {
    this.#idle.delete(connection)
    this.#busy.add(connection)
    connection.send(this.#options.request, now)
  }

  #release(connection: HttpConnection, reusable: boolean): void {
    this.#busy.delete(connection)
    if (reusable) this.#idle.add(connection)
    if (this.#busy.size === 0) this.#over()
  }

  #giveUp(): void {
    this.#tally.failed('no answer', this.#busy.size)
    this.#over()
  }
}
