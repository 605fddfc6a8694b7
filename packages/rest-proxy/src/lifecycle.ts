// SPDX-License-Identifier: Apache-2.0
import { ProxyError } from './proxy-error.ts'

/** How a capability ends; the words are the same on every surface. */
export interface CloseOptions {
  /** How long requests under way may take. Default 10000; 0 ends them at once. */
  readonly drainMs?: number
  /** Window over which long-lived clients are told to leave; requests need none. */
  readonly spreadMs?: number
  /** Bounds of the Retry-After that refused requests get. Default 1000 to 5000. */
  readonly retryAfterMs?: readonly [least: number, most: number]
  /** Whether the server is not coming back. */
  readonly final?: boolean
  /** Answers new requests, with `Connection: close`, until `drainMs` is over instead of refusing them. */
  readonly serveRequests?: boolean
}

// Node runs a timer beyond this at once; every request has ended by its own deadline long before.
const maxTimerMs = 0x7fffffff

/** Something under way that can be ended with an error. */
export interface Ending {
  end(error: ProxyError): void
}

/** Knows what is under way, and ends it. */
export class Lifecycle {
  readonly #active = new Set<Ending>()
  #mode: 'open' | 'serving' | 'refusing' = 'open'
  #deadlineMs = Infinity
  #timer: NodeJS.Timeout | undefined
  #retryAfterMs: readonly [number, number] = [1000, 5000]
  #closed: Promise<void> | undefined
  #settle: () => void = () => {}

  get size(): number {
    return this.#active.size
  }

  /** Whether answers should end their connection. */
  get isClosing(): boolean {
    return this.#mode !== 'open'
  }

  /** The error for a new request; undefined where it may begin. */
  refusal(): ProxyError | undefined {
    return this.#mode === 'refusing' ? this.#drainingError() : undefined
  }

  add(ending: Ending): void {
    this.#active.add(ending)
  }

  delete(ending: Ending): void {
    this.#active.delete(ending)
    if (this.#closed !== undefined && this.#active.size === 0) this.#idle()
  }

  /** Resolves when nothing is under way any more. A second call may only shorten. Throws RangeError for a time that is none. */
  close(options: CloseOptions = {}): Promise<void> {
    checkCloseOptions(options)
    const deadlineMs = performance.now() + (options.drainMs ?? 10_000)
    if (options.retryAfterMs !== undefined) this.#retryAfterMs = options.retryAfterMs
    if (options.serveRequests !== true) this.#mode = 'refusing'
    else if (this.#mode === 'open') this.#mode = 'serving'
    this.#closed ??= new Promise((resolve) => {
      this.#settle = resolve
    })
    if (deadlineMs < this.#deadlineMs) this.#endAt(deadlineMs)
    if (this.#active.size === 0) this.#idle()
    return this.#closed
  }

  #endAt(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    clearTimeout(this.#timer)
    const restMs = deadlineMs - performance.now()
    if (restMs <= 0) this.#end()
    else if (restMs <= maxTimerMs) this.#timer = setTimeout(() => this.#end(), restMs)
  }

  #end(): void {
    this.#mode = 'refusing'
    for (const ending of this.#active) ending.end(this.#drainingError())
    this.#idle()
  }

  // While still serving, the deadline stays: it turns serving into refusing, but holds no process.
  #idle(): void {
    if (this.#mode === 'serving') this.#timer?.unref()
    else clearTimeout(this.#timer)
    this.#settle()
  }

  #drainingError(): ProxyError {
    const [least, most] = this.#retryAfterMs
    const seconds = Math.ceil((least + Math.random() * Math.max(0, most - least)) / 1000)
    return new ProxyError('draining', { headers: ['Retry-After', String(seconds)], closes: true })
  }
}

function checkCloseOptions({ drainMs = 0, retryAfterMs = [0, 0] }: CloseOptions): void {
  if (!(drainMs >= 0)) throw new RangeError(`drainMs must be a number of at least 0, not ${drainMs}`)
  if (retryAfterMs.length !== 2 || !retryAfterMs.every((ms) => ms >= 0 && ms < Infinity)) {
    throw new RangeError(`retryAfterMs must be two numbers of at least 0, not ${retryAfterMs.join(', ')}`)
  }
}
