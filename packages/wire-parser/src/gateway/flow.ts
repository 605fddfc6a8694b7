// SPDX-License-Identifier: Apache-2.0
import type { OperationView, VerbCode } from '../operation.ts'
import { Parser } from '../parser.ts'
import type { ParserOptions, ParserSink } from '../parser-sink.ts'
import { ByteBlock, compact } from './byte-block.ts'
import { Fifo } from './fifo.ts'
import type { Outlet } from './outlet.ts'
import { operationBytes } from './seen-operation.ts'
import type { Subscription } from './subscription-table.ts'
import type { Transport } from './transport.ts'

/** What is done in place of forwarding an operation. */
export type Effect = () => void

/** What was decided about an operation: undefined forwards it as it came; a promise is waited for, in order. */
export type Outcome = Effect | undefined | Promise<Effect | undefined>

export interface FlowLimits {
  readonly highWaterBytes: number
  readonly maxPendingHooks: number
}

/** Reads one direction and decides; `Flow` carries out what it says. */
export interface FlowOwner extends ParserSink {
  /** An operation is about to be forwarded. Returns false where it must not be, after all. */
  forwarding(verb: VerbCode, subscription: Subscription | undefined): boolean
  /** Something went wrong outside of a read. */
  failed(error: unknown): void
}

/** An operation that waits for its decision, or behind one that does. */
interface Pending {
  readonly bytes: Uint8Array
  readonly verb: VerbCode
  readonly subscription: Subscription | undefined
  /** Makes the decision when it is its turn. */
  decide: (() => Outcome) | undefined
  /** Undefined while the decision is not made. */
  settled: { readonly effect: Effect | undefined } | undefined
}

// A held operation above this is taken with the buffer it is in.
const copiedBytes = 4096
// What one that waits costs beside its bytes.
const overheadBytes = 128
const pausedFor = { backPressure: 1, decisions: 2 } as const

/**
 * One direction of a connection: reads what comes from the source, forwards untouched operations as ranges of what was
 * read, and keeps the order where a decision takes its time.
 */
export class Flow {
  readonly parser: Parser
  readonly #source: Transport
  readonly #outlet: Outlet
  readonly #owner: FlowOwner
  readonly #limits: FlowLimits
  readonly #pending = new Fifo<Pending>()
  #waiting = 0
  #pendingBytes = 0
  /** Reads that wait, from the first operation that was not decided or the other side has no room for. */
  #unread: Uint8Array[] = []
  /** What of them is small, behind all others. */
  readonly #unreadSmall = new ByteBlock()
  readonly #readAheadBytes: number
  #aheadBytes = 0
  #isSourcePaused = false
  #isStopped = false
  #isBarrier = false
  #isRaw = false
  #isReading = false
  #isClosed = false
  #pauses = 0
  #chunk: Uint8Array = new Uint8Array(0)
  /** The untouched operations of the chunk that are not in the outlet yet. */
  #runStart = -1
  #runEnd = -1
  #stoppedAt = -1

  constructor(options: {
    readonly source: Transport
    readonly outlet: Outlet
    readonly owner: FlowOwner
    readonly parser: ParserOptions
    readonly limits: FlowLimits
    /** What is read at least while the other side takes nothing, so that a source that ends is seen. Default 0. */
    readonly readAheadBytes?: number
  }) {
    this.#source = options.source
    this.#outlet = options.outlet
    this.#owner = options.owner
    this.#limits = options.limits
    this.#readAheadBytes = options.readAheadBytes ?? 0
    this.parser = new Parser(options.parser, options.owner)
  }

  /** Whether operations wait, so that a new one cannot be forwarded at once. */
  get isPending(): boolean {
    return this.#pending.length > 0
  }

  get pendingOperations(): number {
    return this.#pending.length
  }

  /** Whether bytes of a read are still referred to; once closed nobody knows, as a hook may be at work that nobody waits for. */
  get keepsBytes(): boolean {
    return this.#isClosed || this.isPending || this.#unread.length > 0 || this.#outlet.keepsBytes
  }

  /** Takes what was read; `flush()` follows. */
  push(chunk: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#isStopped) this.#unread.push(chunk)
    else if (this.#pauses !== 0) this.#readAhead(chunk)
    else this.#read(chunk)
  }

  /** Writes what was added, and stops reading while the other side does not take it. */
  flush(): void {
    this.#outlet.flush()
    if (this.#outlet.unsentBytes > this.#limits.highWaterBytes) this.#pause(pausedFor.backPressure)
  }

  /** The source has ended: what was read of it goes on, whether there is room or not. */
  ended(): void {
    if (this.#isClosed) return
    this.#pauses &= ~pausedFor.backPressure
    this.#readUnread()
  }

  /** The other side has taken everything. */
  drained(): void {
    this.#resume(pausedFor.backPressure)
  }

  /** Does what was decided, at once or in its turn. With `isBarrier` nothing behind is looked at before. */
  settle(
    outcome: Outcome,
    view: OperationView,
    range: { readonly start: number; readonly end: number },
    options: { readonly subscription?: Subscription | undefined; readonly isBarrier?: boolean } = {},
  ): void {
    if (outcome instanceof Promise || this.isPending) this.#enqueue(outcome, view, range, options)
    else if (outcome === undefined) this.forward(view, range.start, range.end, options.subscription)
    else {
      this.#endRun()
      outcome()
    }
  }

  /** Lets an operation wait for those before it, and everything behind it wait for its decision, made when it is its turn. */
  settleInTurn(decide: () => Outcome, view: OperationView, end: number): void {
    this.#endRun()
    this.#add({ bytes: this.#keep(view), verb: view.verb, subscription: undefined, decide, settled: undefined })
    this.#isBarrier = true
    this.#stop(end)
  }

  /** Forwards an operation as it came. */
  forward(view: OperationView, start: number, end: number, subscription: Subscription | undefined): void {
    if (!this.#owner.forwarding(view.verb, subscription)) {
      this.#endRun()
    } else if (start < 0) {
      this.#outlet.add(this.#copy(view))
    } else {
      if (this.#runStart < 0) this.#runStart = start
      this.#runEnd = end
    }
  }

  /** Forwards an operation as it came, behind those that wait. */
  pass(view: OperationView, start: number, end: number, subscription: Subscription | undefined): void {
    if (this.isPending) this.#enqueue(undefined, view, { end }, { subscription })
    else this.forward(view, start, end, subscription)
  }

  /** Forwards a stretch of a streamed operation. */
  forwardPart(bytes: Uint8Array, start: number, end: number): void {
    this.#endRun()
    if (bytes === this.#chunk) {
      this.#outlet.addPart(bytes.subarray(start, end))
    } else {
      // The parser's own buffer, which it uses again.
      this.#outlet.addPart(new Uint8Array(bytes.subarray(start, end)))
    }
  }

  /** Ends a streamed operation, which was forwarded, or is answered by what stands in its place. */
  endParts(effect: Effect | undefined): void {
    this.#outlet.endParts()
    if (effect === undefined) return
    this.#endRun()
    effect()
  }

  /** Adds what was forwarded so far to the outlet, so that something can follow it. */
  endRun(): void {
    this.#endRun()
  }

  /** Copies bytes from the end of the operation at hand on. */
  passThrough(end: number): void {
    if (this.#isRaw) return
    this.#isRaw = true
    this.#stop(end)
  }

  /** Copies bytes from now on, if no operation is half read; else whoever reads does so at its end. */
  passThroughSoon(): void {
    const isBetween = !this.isPending && !this.parser.streaming && this.parser.heldBytes === 0
    if (isBetween && !this.#isReading && this.#unread.length === 0) this.#isRaw = true
  }

  /** Reads nothing any more. */
  close(): void {
    this.#isClosed = true
    this.#pending.clear()
    this.#unread = []
    this.parser.close()
  }

  #read(chunk: Uint8Array): void {
    if (this.#isRaw) {
      this.#outlet.add(chunk)
      return
    }
    this.#chunk = chunk
    this.#stoppedAt = -1
    this.#isReading = true
    this.parser.push(chunk)
    this.#isReading = false
    this.#endRun()
    if (this.#stoppedAt < 0) return
    if (this.#isRaw && !this.isPending) {
      this.#isStopped = false
      this.#outlet.add(chunk.subarray(this.#stoppedAt))
    } else if (this.#stoppedAt < chunk.length) {
      this.#unread.unshift(chunk.subarray(this.#stoppedAt))
    }
  }

  #endRun(): void {
    if (this.#runStart < 0) return
    this.#outlet.add(this.#chunk.subarray(this.#runStart, this.#runEnd))
    this.#runStart = -1
  }

  /** The bytes of an operation that the parser has held, for longer than the call. */
  #copy(view: OperationView): Uint8Array {
    const bytes = operationBytes(view)
    if (bytes.length <= copiedBytes) return new Uint8Array(bytes)
    this.parser.detachHeld()
    return bytes
  }

  /** The bytes of an operation that waits, of which a hook may have views. */
  #keep(view: OperationView): Uint8Array {
    if (view.bytes !== this.#chunk) this.parser.detachHeld()
    return operationBytes(view)
  }

  #enqueue(
    outcome: Outcome,
    view: OperationView,
    { end }: { readonly end: number },
    { subscription, isBarrier }: { readonly subscription?: Subscription | undefined; readonly isBarrier?: boolean },
  ): void {
    this.#endRun()
    const isPromise = outcome instanceof Promise
    const pending: Pending = {
      bytes: this.#keep(view),
      verb: view.verb,
      subscription,
      decide: undefined,
      settled: isPromise ? undefined : { effect: outcome },
    }
    this.#add(pending)
    if (isPromise) {
      this.#await(pending, outcome)
      this.#isBarrier ||= isBarrier === true
    }
    if (this.#isBarrier || this.#isFull()) this.#stop(end)
  }

  #add(pending: Pending): void {
    this.#pending.push(pending)
    this.#pendingBytes += pending.bytes.length + overheadBytes
  }

  #isFull(): boolean {
    return this.#waiting >= this.#limits.maxPendingHooks || this.#pendingBytes > this.#limits.highWaterBytes
  }

  #stop(end: number): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#stoppedAt = end
    this.parser.stop()
    if (this.isPending) this.#pause(pausedFor.decisions)
  }

  // The promises are the owner's, which turns whatever a hook throws into an effect.
  #await(pending: Pending, outcome: Promise<Effect | undefined>): void {
    this.#waiting++
    const settle = (effect: Effect | undefined): void => {
      this.#waiting--
      pending.settled = { effect }
      if (this.#isClosed) return
      this.#drain()
      this.flush()
    }
    outcome.then(settle).catch((error: unknown) => this.#owner.failed(error))
  }

  #drain(): void {
    for (let first = this.#pending.first; first !== undefined; first = this.#pending.first) {
      if (first.settled === undefined && !this.#decideFirst(first)) break
      this.#pending.shift()
      this.#pendingBytes -= first.bytes.length + overheadBytes
      this.#carryOut(first)
      if (this.#isClosed) return
    }
    if (!this.isPending) this.#isBarrier = false
    if (this.#isStopped && !this.#isBarrier && !this.#isFull()) this.#goOn()
  }

  /** Whether the decision on the first that waits is made, now that it is its turn. */
  #decideFirst(first: Pending): boolean {
    const outcome = first.decide?.()
    if (first.decide === undefined) return false
    if (outcome instanceof Promise) {
      first.decide = undefined
      this.#await(first, outcome)
      return false
    }
    first.settled = { effect: outcome }
    return true
  }

  #carryOut({ settled, verb, subscription, bytes }: Pending): void {
    if (settled?.effect !== undefined) settled.effect()
    else if (this.#owner.forwarding(verb, subscription)) this.#outlet.add(bytes)
  }

  #goOn(): void {
    this.#isStopped = false
    this.#resume(pausedFor.decisions)
  }

  #readAhead(chunk: Uint8Array): void {
    this.#aheadBytes += chunk.length
    if (!this.#unreadSmall.add(chunk)) {
      this.#endUnreadSmall()
      if (!this.#unreadSmall.add(chunk)) this.#unread.push(compact(chunk))
    }
    if (this.#aheadBytes >= this.#readAheadBytes) this.#pauseSource()
  }

  #endUnreadSmall(): void {
    const bytes = this.#unreadSmall.take()
    if (bytes !== undefined) this.#unread.push(bytes)
  }

  /** Reads what waits, as long as nothing holds it back again. */
  #readUnread(): void {
    this.#endUnreadSmall()
    this.#aheadBytes = 0
    while (this.#unread.length > 0 && !this.#isStopped && this.#pauses === 0) {
      this.#read(this.#unread.shift() as Uint8Array)
    }
  }

  #pauseSource(): void {
    if (this.#isSourcePaused) return
    this.#isSourcePaused = true
    this.#source.pause()
  }

  #pause(reason: number): void {
    this.#pauses |= reason
    if (reason === pausedFor.decisions || this.#readAheadBytes === 0) this.#pauseSource()
  }

  #resume(reason: number): void {
    if ((this.#pauses & reason) === 0) return
    this.#pauses &= ~reason
    if (this.#pauses !== 0 || this.#isClosed) return
    this.#readUnread()
    this.flush()
    const mayRead = this.#pauses === 0 || (this.#pauses === pausedFor.backPressure && this.#readAheadBytes > 0)
    if (!mayRead || this.#isClosed || !this.#isSourcePaused) return
    this.#isSourcePaused = false
    this.#source.resume()
  }
}
