// SPDX-License-Identifier: Apache-2.0
import { abortSourceOf, AbortListeners, SignalSource, type AbortListener, type AbortSource } from './abort-source.ts'
import type { Batch } from './batch.ts'
import type { ChannelConnection } from './channel-connection.ts'
import { turnMs } from './clock.ts'
import type { RequestId } from './codec/codec.ts'
import type { Connection, SendOptions } from './connection.ts'
import type { RouteCounters } from './counters.ts'
import type { Handler } from './chain.ts'
import type { Frame } from './frame.ts'
import { originOf, type ReplyFunction, type RequestChange, type WsRequest } from './request.ts'
import type { RouteMatch } from './router.ts'

/** What a route leads to. */
export interface RouteTarget<U> {
  readonly handler: Handler<U>
  readonly counters: RouteCounters
}

/** Sends what a request is answered with. */
export interface Answering<U> {
  item(run: RequestRun<U>, value: unknown, options: SendOptions | undefined): boolean
}

/** What the codec and the socket told about a request. */
export interface RequestFacts {
  readonly id: RequestId | undefined
  readonly key: string
  readonly data: unknown
  readonly bytes: Buffer
  readonly binary: boolean
}

/** One request from its message to its last answer; it is the WsRequest the first link of the chain gets. */
export class RequestRun<U> implements WsRequest<U>, AbortSource {
  readonly id: RequestId | undefined
  readonly key: string
  readonly data: unknown
  readonly bytes: Buffer
  readonly binary: boolean
  readonly connection: ChannelConnection<U>
  readonly match: RouteMatch<RouteTarget<U>>
  /** Collects the answers of one message with many requests. */
  readonly batch: Batch<RequestRun<U>> | undefined
  readonly startedMs: number = turnMs()
  bytesOut = 0
  /** Answers that wait for the answers of earlier requests. */
  held: Frame[] | undefined = undefined
  isDone = false
  /** Called when it is the turn of this request to answer. */
  onTurn: (() => void) | undefined = undefined
  /** Ends a stream that waits for its next value. */
  interrupt: (() => void) | undefined = undefined
  readonly #answering: Answering<U>
  #controller: AbortController | undefined
  #listeners: AbortListeners | undefined
  #abortReason: unknown

  constructor(
    facts: RequestFacts,
    match: RouteMatch<RouteTarget<U>>,
    place: {
      readonly connection: ChannelConnection<U>
      readonly answering: Answering<U>
      readonly batch: Batch<RequestRun<U>> | undefined
    },
  ) {
    this.id = facts.id
    this.key = facts.key
    this.data = facts.data
    this.bytes = facts.bytes
    this.binary = facts.binary
    this.match = match
    this.connection = place.connection
    this.batch = place.batch
    this.#answering = place.answering
  }

  get route(): string {
    return this.match.pattern
  }

  get params(): readonly string[] {
    return this.match.params
  }

  get isAborted(): boolean {
    return this.#abortReason !== undefined
  }

  get abortReason(): unknown {
    return this.#abortReason
  }

  get abortSource(): AbortSource {
    return this
  }

  get origin(): WsRequest<U> {
    return this
  }

  addAbortListener(listener: AbortListener): void {
    this.#listeners ??= new AbortListeners()
    this.#listeners.add(listener)
  }

  removeAbortListener(listener: AbortListener): void {
    this.#listeners?.delete(listener)
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  reply(value: unknown, options?: SendOptions): boolean {
    return this.#answering.item(this, value, options)
  }

  with(change: RequestChange): WsRequest<U> {
    return new ChangedRequest(this, change)
  }

  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return
    this.#abortReason = reason
    this.#controller?.abort(reason)
    this.#listeners?.tell(reason)
    this.interrupt?.()
    this.onTurn?.()
  }
}

/** A request of which something was replaced. */
class ChangedRequest<U> implements WsRequest<U> {
  readonly #below: WsRequest<U>
  readonly #signal: AbortSignal | undefined
  readonly #reply: ReplyFunction | undefined
  readonly data: unknown
  readonly connection: Connection<U>

  constructor(below: WsRequest<U>, change: RequestChange) {
    this.#below = below
    this.#signal = change.signal
    this.#reply = change.reply
    this.data = 'data' in change ? change.data : below.data
    this.connection = change.close === undefined ? below.connection : below.connection.wrap({ close: change.close })
  }

  get id(): RequestId | undefined {
    return this.#below.id
  }

  get key(): string {
    return this.#below.key
  }

  get route(): string {
    return this.#below.route
  }

  get params(): readonly string[] {
    return this.#below.params
  }

  get bytes(): Uint8Array {
    return this.#below.bytes
  }

  get binary(): boolean {
    return this.#below.binary
  }

  get signal(): AbortSignal {
    return this.#signal ?? this.#below.signal
  }

  get abortSource(): AbortSource {
    return this.#signal === undefined ? abortSourceOf(this.#below) : new SignalSource(this.#signal)
  }

  get origin(): WsRequest<U> {
    return originOf(this.#below)
  }

  reply(value: unknown, options?: SendOptions): boolean {
    return this.#reply === undefined ? this.#below.reply(value, options) : this.#reply(value, options)
  }

  with(change: RequestChange): WsRequest<U> {
    return new ChangedRequest(this, change)
  }
}
