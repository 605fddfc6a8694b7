// SPDX-License-Identifier: Apache-2.0
import type { FlushList } from './flush-list.ts'
import type { Frame } from './frame.ts'
import type { OutboundLimits } from './overflow-policy.ts'
import { atEndOfTurn } from './turn-end.ts'
import { WaitingFrames } from './waiting-frames.ts'
import type { Wire } from './wire.ts'
import { WsError } from './ws-error.ts'

/** A message that waits for its client. */
export interface QueuedFrame {
  /** Bytes on the wire. */
  readonly size: number
  readonly key: string | undefined
  readonly isReply: boolean
  readonly binary: boolean
  /** The message; must not be written to. */
  readonly payload: Uint8Array
}

/** What waits for one client, as a dispatcher sees it: oldest first, without what the socket already has. */
export interface Outbox extends Iterable<QueuedFrame> {
  readonly frames: number
  readonly bytes: number
  /** Bytes the socket has and the kernel has not: nothing can be done about these. */
  readonly socketBytes: number
  /** Drops the frames `keep` says no to, and says how many. */
  retain(keep: (frame: QueuedFrame) => boolean): number
}

/** Who is told by an outbox; only where a client does not keep up. */
export interface OutboxOwner {
  readonly backlog: OutboxWatcher
}

export interface OutboxWatcher {
  /** Above the high mark: may make room. Returns whether it is the only one to decide. */
  overflowed(outbox: SendQueue): boolean
  /** The client takes too little, and nothing may be dropped. */
  stalled(): void
  dropped(frames: number): void
  /** Fell below the low mark after having been above it. */
  relieved(): void
}

// A burst this large is not kept until the end of the tick.
const flushNowBytes = 65_536

// Whether a chunk of the client is being taken, and whether a message of it was answered.
const turn = { none: 0, open: 1, answered: 2 } as const

const none: Frame[] = []
Object.freeze(none)

/** The messages of one connection on their way into its socket: bounded, in order, written once a tick. */
export class SendQueue implements Outbox {
  readonly #wire: Wire
  readonly #limits: OutboundLimits
  readonly #flushList: FlushList
  readonly #owner: OutboxOwner
  /** Those of this tick, for a client that keeps up. */
  #frames: Frame[] = none
  #bytes = 0
  /** Those for a client that does not; made for the first of them. */
  #waiting: WaitingFrames | undefined
  #isScheduled = false
  #turn: (typeof turn)[keyof typeof turn] = turn.none
  // A write callback is awaited: until then the socket has more than it should.
  #isBlocked = false
  #isMakingRoom = false
  #isClosed = false
  #drained: (() => void)[] | undefined
  #senders: (() => void)[] | undefined
  #onEmpty: (() => void) | undefined
  #onWritten: (() => void) | undefined
  /** Bytes accepted so far, those still waiting included. */
  acceptedBytes = 0

  constructor(wire: Wire, limits: OutboundLimits, flushList: FlushList, owner: OutboxOwner) {
    this.#wire = wire
    this.#limits = limits
    this.#flushList = flushList
    this.#owner = owner
  }

  get frames(): number {
    return this.#waiting?.count ?? this.#frames.length
  }

  get bytes(): number {
    return this.#waiting?.bytes ?? this.#bytes
  }

  get socketBytes(): number {
    return this.#wire.bufferedBytes
  }

  /** Bytes accepted that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.bytes + this.#wire.bufferedBytes
  }

  /** Whether a push would find no room. */
  get isFull(): boolean {
    return this.#excess() >= 0
  }

  /** Changes whenever the kernel takes something. */
  get progress(): number {
    return this.acceptedBytes - this.bufferedBytes + this.#wire.partialProgress
  }

  [Symbol.iterator](): IterableIterator<Frame> {
    return this.#waiting?.[Symbol.iterator]() ?? this.#frames.values()
  }

  /** Queues a frame; false when it was dropped. */
  push(frame: Frame): boolean {
    if (this.#isClosed) return refuse(frame, 'closed')
    if (frame.key !== undefined && this.#limits.overflow === 'coalesce') this.#replace(frame.key)
    if (this.isFull && !this.#makeRoom(frame)) return false
    this.#add(frame)
    if (frame.isReply && this.#turn !== turn.none) this.#turn = turn.answered
    else if (this.#schedule()) return true
    if (this.#bytes >= flushNowBytes) this.flush()
    return true
  }

  /** A chunk of the client is about to be taken: a lone reply to it may leave when its turn ends, before the tick does. */
  beginTurn(): void {
    if (!this.#flushList.isPatient && this.#turn === turn.none) this.#turn = turn.open
  }

  /** The chunk was taken. With `isBusy` promises may have more replies: the turn lasts until they are settled. */
  endTurn(isBusy: boolean): void {
    if (isBusy && this.#turn !== turn.none) atEndOfTurn(this)
    else this.flushTurn()
  }

  /** Hands the socket a lone reply to the chunk, where few have one; whatever is more waits for the end of the tick. */
  flushTurn(): void {
    const wasAnswered = this.#turn === turn.answered
    this.#turn = turn.none
    if (!wasAnswered) return
    if (this.frames !== 1 || !this.#flushList.mayHurry()) {
      this.#schedule()
      return
    }
    this.flush()
    if (!this.#isBlocked) this.#wake()
  }

  /** Hands the socket as much as it may have. Called by the flush list once a tick. */
  flush(): void {
    if (this.#isBlocked || this.frames === 0) return
    const room = this.#limits.lowWaterBytes - this.#wire.bufferedBytes
    if (this.#waiting === undefined && this.#bytes < room) this.flushAll()
    else this.#flushSome(room)
  }

  /** Called by the flush list: the next message asks for a flush again. */
  flushScheduled(): void {
    this.#isScheduled = false
    this.flush()
    if (!this.#isBlocked) this.#wake()
  }

  /** Hands the socket everything, whatever it has already: the last words before a close frame. */
  flushAll(): void {
    if (this.frames === 0) return
    const { bytes } = this
    const frames = this.#waiting?.take(Infinity) ?? this.#frames
    this.#forget()
    this.#wire.write(frames, bytes, this.#flushList, undefined)
  }

  retain(keep: (frame: QueuedFrame) => boolean): number {
    return this.#refuseAll(this.#wait().retain(keep))
  }

  /** Resolves when less than the low mark waits, or nothing ever will again. */
  drained(): Promise<void> | undefined {
    if (this.#isClosed || this.bufferedBytes < this.#limits.lowWaterBytes) return undefined
    // Below the mark only after a write: one is under way, or the next flush will begin one.
    return new Promise((resolve) => {
      this.#drained ??= []
      this.#drained.push(resolve)
    })
  }

  /** Calls back when there is room, in the order of the calls: at once where there is and nobody waits. */
  whenRoom(send: () => void): void {
    if (this.#senders !== undefined) this.#senders.push(send)
    else if (this.isFull && !this.#isClosed) this.#senders = [send]
    else send()
  }

  /** Resolves when the socket has all that waited; at once where the client keeps up. */
  emptied(): Promise<void> {
    if (!this.#isBlocked) {
      this.flushAll()
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  /** Gives up what waits, so that only the last words follow what the socket has. */
  discard(): void {
    this.acceptedBytes -= this.bytes
    for (const frame of this) refuse(frame, 'closed')
    this.#forget()
  }

  /** Takes no more messages; what waits stays until it is flushed or failed. */
  end(): void {
    this.#isClosed = true
    this.#letSend()
  }

  /** Gives up what waits: the socket is gone. */
  fail(): void {
    this.end()
    this.discard()
    this.#wake()
    this.#onEmpty?.()
  }

  /** Asks for the flush at the end of the tick; false where that was done. */
  #schedule(): boolean {
    if (this.#isScheduled) return false
    this.#isScheduled = true
    this.#flushList.add(this)
    return true
  }

  #add(frame: Frame): void {
    this.acceptedBytes += frame.size
    if (this.#isBlocked || this.#waiting !== undefined) {
      frame.detach()
      this.#wait().push(frame)
      return
    }
    if (this.#frames === none) this.#frames = [frame]
    else this.#frames.push(frame)
    this.#bytes += frame.size
  }

  /** Bytes of memory above the high mark; below zero while there is room. */
  #excess(): number {
    const bytes = this.#waiting === undefined ? this.#bytes : this.#waiting.weight
    return bytes + this.#wire.bufferedBytes - this.#limits.sendBufferBytes
  }

  #forget(): void {
    this.#frames = none
    this.#bytes = 0
    this.#waiting = undefined
  }

  #wait(): WaitingFrames {
    if (this.#waiting !== undefined) return this.#waiting
    const waiting = new WaitingFrames(this.#frames)
    this.#forget()
    this.#waiting = waiting
    return waiting
  }

  #flushSome(room: number): void {
    const isNew = this.#waiting === undefined
    const waiting = this.#wait()
    const { bytes } = waiting
    const frames = waiting.take(room)
    if (isNew) for (const frame of waiting) frame.detach()
    if (frames.length === 0) {
      // Only control frames of ws fill a socket beyond the mark without our callback.
      this.#isBlocked = this.#wire.whenWritten(this.#written)
      return
    }
    const taken = bytes - waiting.bytes
    if (waiting.count === 0) this.#waiting = undefined
    this.#isBlocked = waiting.count > 0 || taken >= room
    this.#wire.write(frames, taken, this.#flushList, this.#isBlocked ? this.#written : undefined)
  }

  // Most clients never make anybody wait.
  get #written(): () => void {
    this.#onWritten ??= () => this.#afterWrite()
    return this.#onWritten
  }

  #afterWrite(): void {
    this.#isBlocked = false
    this.flush()
    if (this.frames === 0) this.#onEmpty?.()
    if (this.bufferedBytes >= this.#limits.lowWaterBytes) return
    this.#wake()
    this.#owner.backlog.relieved()
  }

  #wake(): void {
    this.#letSend()
    const drained = this.#drained
    this.#drained = undefined
    drained?.forEach((resolve) => resolve())
  }

  #letSend(): void {
    const senders = this.#senders
    if (senders === undefined) return
    let sent = 0
    while (sent < senders.length && (this.#isClosed || !this.isFull)) senders[sent++]?.()
    this.#senders = sent === senders.length ? undefined : senders.slice(sent)
  }

  #replace(key: string): void {
    if (this.#waiting !== undefined) this.#drop(this.#waiting.supersede(key))
  }

  #makeRoom(frame: Frame): boolean {
    // What the dispatcher sends while it makes room is taken as it is.
    if (this.#isMakingRoom) return true
    // The kernel may take it yet: nothing was tried since the tick began.
    this.flush()
    if (!this.isFull) return true
    this.#isMakingRoom = true
    const decides = this.#owner.backlog.overflowed(this)
    this.#isMakingRoom = false
    if (!this.isFull) return true
    if (decides) return this.#giveUp(frame)
    switch (this.#limits.overflow) {
      case 'block':
        return frame.isReply || refuse(frame, 'overloaded')
      case 'drop-newest':
        return this.#dropNewest(frame)
      case 'drop-oldest':
        return this.#dropOldest(frame)
      default:
        return this.#giveUp(frame)
    }
  }

  #dropNewest(frame: Frame): boolean {
    if (frame.isReply) return this.#drop(this.#waiting?.dropNewest(this.#excess())) || this.#giveUp(frame)
    this.#owner.backlog.dropped(1)
    return refuse(frame, 'overloaded')
  }

  #dropOldest(frame: Frame): boolean {
    return this.#drop(this.#waiting?.dropOldest(this.#excess())) || this.#giveUp(frame)
  }

  #drop(frames: readonly Frame[] = none): boolean {
    const dropped = this.#refuseAll(frames)
    if (dropped > 0) this.#owner.backlog.dropped(dropped)
    return dropped > 0
  }

  #refuseAll(frames: readonly Frame[]): number {
    for (const frame of frames) {
      refuse(frame, 'overloaded')
      this.acceptedBytes -= frame.size
    }
    return frames.length
  }

  #giveUp(frame: Frame): boolean {
    refuse(frame, 'closed')
    this.#owner.backlog.stalled()
    return false
  }
}

function refuse(frame: Frame, code: 'closed' | 'overloaded'): false {
  frame.settle?.(new WsError(code))
  return false
}
