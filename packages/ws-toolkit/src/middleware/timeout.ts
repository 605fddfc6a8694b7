// SPDX-License-Identifier: Apache-2.0
import { abortSourceOf, AbortListeners, SignalSource, type AbortListener, type AbortSource } from '../abort-source.ts'
import type { SendOptions } from '../connection.ts'
import { cancel, schedule } from '../deadline.ts'
import { whole } from '../option-check.ts'
import type { RequestChange, WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import type { AnyMiddleware } from './any-middleware.ts'
import { ChildSignal } from './child-signal.ts'
import { isPromise } from '../promise.ts'
import { discard, followed } from './outcome.ts'
import { RequestView } from './request-view.ts'

/**
 * Answers `timeout` when there is no reply in time, and aborts the signal the handler has; what comes later is dropped.
 * A stream is a reply once it is returned.
 */
export function timeout(ms: number): AnyMiddleware {
  whole('timeout: ms', ms)
  return (request, next) => {
    const timed = new TimedRequest(request)
    const reply = next(timed)
    return isPromise(reply) ? timed.deadline.hold(reply, ms) : reply
  }
}

/** Makes no signal unless the handler asks for one. */
class RequestDeadline implements AbortSource, AbortListener {
  isOver = false
  readonly #request: WsRequest
  #child: ChildSignal | undefined
  #failure: WsError | undefined
  #source: AbortSource | undefined
  readonly #listeners = new AbortListeners()

  constructor(request: WsRequest) {
    this.#request = request
  }

  get signal(): AbortSignal {
    if (this.#child === undefined) {
      this.#child = new ChildSignal(this.#request.signal)
      if (this.#failure !== undefined) this.#child.abort(this.#failure)
    }
    return this.#child.signal
  }

  get isAborted(): boolean {
    return this.#failure !== undefined || abortSourceOf(this.#request).isAborted
  }

  get abortReason(): unknown {
    return this.#failure ?? abortSourceOf(this.#request).abortReason
  }

  addAbortListener(listener: AbortListener): void {
    this.#listeners.add(listener)
    if (this.#source !== undefined) return
    this.#source = abortSourceOf(this.#request)
    this.#source.addAbortListener(this)
  }

  removeAbortListener(listener: AbortListener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.isEmpty) this.#leaveSource()
  }

  /** The request behind it is over. */
  aborted(reason: unknown): void {
    this.#leaveSource()
    this.#listeners.tell(reason)
  }

  hold(reply: PromiseLike<unknown>, ms: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = schedule(ms, () => {
        this.isOver = true
        this.#failure = new WsError('timeout')
        this.#child?.abort(this.#failure)
        this.aborted(this.#failure)
        reject(this.#failure)
      })
      reply.then(
        (value) => {
          cancel(timer)
          // A stream is still ended by the client that leaves.
          if (this.isOver) discard(value)
          else resolve(followed(value, () => this.#release()))
        },
        (error: unknown) => {
          cancel(timer)
          this.#release()
          reject(error)
        },
      )
    })
  }

  #release(): void {
    this.#child?.release()
    this.#leaveSource()
  }

  #leaveSource(): void {
    this.#source?.removeAbortListener(this)
    this.#source = undefined
  }
}

class TimedRequest<U> extends RequestView<U> {
  #deadline: RequestDeadline | undefined
  readonly #signal: AbortSignal | undefined

  constructor(inner: WsRequest<U>, deadline?: RequestDeadline, signal?: AbortSignal) {
    super(inner)
    this.#deadline = deadline
    this.#signal = signal
  }

  /** Made when first asked for: most handlers answer at once. */
  get deadline(): RequestDeadline {
    this.#deadline ??= new RequestDeadline(this.inner)
    return this.#deadline
  }

  override get signal(): AbortSignal {
    return this.#signal ?? this.deadline.signal
  }

  override get abortSource(): AbortSource {
    return this.#signal === undefined ? this.deadline : new SignalSource(this.#signal)
  }

  // Nobody waits for it any more.
  override reply(value: unknown, options?: SendOptions): boolean {
    return this.#deadline?.isOver !== true && this.inner.reply(value, options)
  }

  override with(change: RequestChange): WsRequest<U> {
    return new TimedRequest(this.inner.with(change), this.deadline, change.signal ?? this.#signal)
  }
}
