// SPDX-License-Identifier: Apache-2.0
import { SignalSource, type AbortSource } from '../abort-source.ts'
import type { Next, Reply } from '../chain.ts'
import type { SendOptions } from '../connection.ts'
import type { RequestChange, WsRequest } from '../request.ts'
import { isStream } from '../request-stream.ts'
import { WsError } from '../ws-error.ts'
import { isPromise } from '../promise.ts'
import { discard } from './outcome.ts'
import { abortError } from './pause.ts'
import { keepable, sizeOf, type ExtraReply, type RecordedReply } from './recorded-reply.ts'
import { RequestView } from './request-view.ts'
import { SharedStream, type StreamReader } from './shared-stream.ts'

/** What becomes of a flight; each is told once at most. */
export interface FlightOwner {
  /** It ended well, and its answer is small enough to keep. */
  landed(reply: RecordedReply): void
  /** Nobody can join any more. */
  closed(): void
}

interface Waiting {
  extra(reply: ExtraReply): boolean
  settle(reply: Reply): void
  fail(error: unknown): void
}

/** One call of a handler, for all who ask the same while it is under way. */
export class Flight<U> {
  readonly #owner: FlightOwner
  readonly #maxBytes: number
  readonly #waiting = new Set<Waiting>()
  // Answers that went beside, for whoever joins later; undefined once they are too many.
  #extras: ExtraReply[] | undefined = []
  #bytes = 0
  #controller: AbortController | undefined
  #stream: SharedStream | undefined
  #isOver = false
  #isClosed = false
  // Somebody who is no client wants it: the cache itself.
  #isHeld = false
  #holder: StreamReader | undefined

  constructor(owner: FlightOwner, maxBytes: number) {
    this.#owner = owner
    this.#maxBytes = maxBytes
  }

  /** Aborted when nobody waits any more. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isOver) this.#controller.abort(new WsError('cancelled'))
    }
    return this.#controller.signal
  }

  /** Calls the handler for `request`, which waits like every other; an answer that is there at once is given at once. */
  start(request: WsRequest<U>, next: Next<U>): Reply {
    const direct = (extra: ExtraReply): boolean => request.reply(extra.value, extra.options)
    const first: Waiting = { extra: direct, settle: () => {}, fail: () => {} }
    this.#waiting.add(first)
    const reply = this.#call(request, next)
    this.#waiting.delete(first)
    if (isStream(reply)) return this.#read(this.#share(reply), request)
    if (!isPromise(reply)) {
      this.#land(reply)
      return reply
    }
    const joined = this.#wait(request)
    this.#follow(reply)
    return joined
  }

  /** Calls the handler for the cache alone, until `release()`. */
  hold(request: WsRequest<U>, next: Next<U>): void {
    this.#isHeld = true
    try {
      this.#follow(this.#call(request, next))
    } catch {
      // Whoever asks next gets the error of a call of their own.
    }
  }

  release(): void {
    this.#isHeld = false
    void this.#holder?.return()
    this.#leaveIfAlone()
  }

  /** Waits for the answer, on the signal of `request`; legal until the owner was told `closed`. */
  join(request: WsRequest<U>): Reply {
    for (const { value, options } of this.#extras ?? []) request.reply(value, options)
    if (this.#stream !== undefined) return this.#read(this.#stream, request)
    return this.#wait(request)
  }

  /** Keeps an answer that goes beside the one that is returned, and gives it to all who wait. */
  extra(value: unknown, options: SendOptions | undefined): boolean {
    if (this.#isOver) return false
    const extra = { value: keepable(value), options }
    this.#count(sizeOf(value))
    this.#extras?.push(extra)
    let wasTaken = this.#isHeld
    for (const waiting of this.#waiting) wasTaken = waiting.extra(extra) || wasTaken
    return wasTaken
  }

  #call(request: WsRequest<U>, next: Next<U>): Reply {
    try {
      return next(new FlightRequest(request, this))
    } catch (error) {
      this.#end()
      throw error
    }
  }

  #follow(reply: Reply): void {
    if (isPromise(reply))
      reply.then(
        (value) => this.#land(value),
        (error: unknown) => this.#crash(error),
      )
    else this.#land(reply)
  }

  #land(reply: Reply): void {
    // Everybody has left: what comes late may be older than what is kept.
    if (this.#isOver) {
      discard(reply)
      return
    }
    if (isStream(reply)) {
      this.#share(reply)
      return
    }
    const value = keepable(reply)
    this.#count(sizeOf(value))
    this.#end()
    if (this.#extras !== undefined) {
      this.#owner.landed({ extras: this.#extras, value, items: undefined, bytes: this.#bytes })
    }
    for (const waiting of this.#waiting) waiting.settle(value)
    this.#waiting.clear()
  }

  #crash(error: unknown): void {
    this.#end()
    for (const waiting of this.#waiting) waiting.fail(error)
    this.#waiting.clear()
  }

  #share(reply: AsyncIterable<unknown>): SharedStream {
    const stream = new SharedStream(reply[Symbol.asyncIterator](), this.#maxBytes, {
      whole: (items, bytes) => {
        const extras = this.#extras
        if (extras !== undefined) this.#owner.landed({ extras, value: undefined, items, bytes: bytes + this.#bytes })
      },
      closed: () => this.#close(),
      left: () => this.#abandon(),
    })
    this.#stream = stream
    if (this.#isHeld) {
      this.#holder = stream.reader()
      void drain(stream, this.#holder)
    }
    for (const waiting of this.#waiting) waiting.settle(stream)
    this.#waiting.clear()
    return stream
  }

  #wait(request: WsRequest<U>): Promise<Reply> {
    const { signal } = request
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiting)
        reject(abortError(signal))
        this.#leaveIfAlone()
      }
      const free = (): void => signal.removeEventListener('abort', leave)
      const waiting: Waiting = {
        extra: ({ value, options }) => request.reply(value, options),
        settle: (reply) => {
          free()
          resolve(reply instanceof SharedStream ? this.#read(reply, request) : reply)
        },
        fail: (error) => {
          free()
          reject(error)
        },
      }
      this.#waiting.add(waiting)
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
    })
  }

  #read(stream: SharedStream, { signal }: WsRequest<U>): Reply {
    const leave = (): void => void reader.return()
    const reader = stream.reader(() => signal.removeEventListener('abort', leave))
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    return reader
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= this.#maxBytes) return
    this.#extras = undefined
    this.#close()
  }

  #leaveIfAlone(): void {
    if (this.#isOver || this.#isHeld || this.#waiting.size > 0 || this.#stream !== undefined) return
    this.#abandon()
  }

  #abandon(): void {
    this.#end()
    this.#controller?.abort(new WsError('cancelled'))
  }

  #end(): void {
    this.#isOver = true
    this.#close()
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#owner.closed()
  }
}

/** Reads a stream for the cache, as long as it may be kept. */
async function drain(stream: SharedStream, reader: StreamReader): Promise<void> {
  try {
    while (stream.isJoinable && (await reader.next()).done !== true);
    await reader.return()
  } catch {
    // A refresh that fails leaves what is there.
  }
}

/** What the handler sees: answers go to all who wait, and the signal is theirs together. */
class FlightRequest<U> extends RequestView<U> {
  readonly #flight: Flight<U>
  readonly #signal: AbortSignal | undefined

  constructor(inner: WsRequest<U>, flight: Flight<U>, signal?: AbortSignal) {
    super(inner)
    this.#flight = flight
    this.#signal = signal
  }

  override get signal(): AbortSignal {
    return this.#signal ?? this.#flight.signal
  }

  override get abortSource(): AbortSource {
    return new SignalSource(this.signal)
  }

  override reply(value: unknown, options?: SendOptions): boolean {
    return this.#flight.extra(value, options)
  }

  override with(change: RequestChange): WsRequest<U> {
    // A reply of one's own goes round the flight, but may end in it.
    const inner = this.inner.with(change)
    return change.reply === undefined
      ? new FlightRequest(inner, this.#flight, change.signal ?? this.#signal)
      : inner.with({ signal: change.signal ?? this.signal })
  }
}
