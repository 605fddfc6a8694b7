// SPDX-License-Identifier: Apache-2.0
import type { Msg, NatsConnection, Subscription as ClientSubscription } from '@nats-io/nats-core'
import { BusError } from '../bus-error.ts'
import type { BusMessage, Pending } from '../message-bus.ts'
import { subjectBytes } from './client-headers.ts'
import { isNoResponders, MessageView } from './message-view.ts'
import { maxSlots, SlotTable, type OnReply } from './slot-table.ts'
import { SlotWheel } from './slot-wheel.ts'

const TICK_MS = 20

/** What an inbox tells its bus. */
export interface InboxOwner {
  /** A reply came, so that everything sent up to `mark` has arrived. */
  confirm(mark: number): void
  /** A callback has thrown. */
  failed(error: unknown): void
}

/** One wildcard subscription under which all requests of a connection get their replies. */
export class ReplyInbox {
  readonly #pattern: string
  readonly #owner: InboxOwner
  readonly #slots: SlotTable
  readonly #wheel: SlotWheel
  readonly #view = new MessageView()
  #running: ClientSubscription | undefined

  /** Reply subjects are `stem` and one token. */
  constructor(stem: string, owner: InboxOwner) {
    this.#pattern = `${stem}*`
    this.#owner = owner
    this.#slots = new SlotTable(stem)
    this.#wheel = new SlotWheel(this.#slots.capacity, TICK_MS, (slot) => this.#expire(slot))
  }

  /** Sends the SUB before the first request, and again after a refusal: permissions may have changed since. */
  open(nats: NatsConnection): void {
    if (this.#running !== undefined) return
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) this.#onReply(message)
      else this.#refused(error)
    }
    this.#running = nats.subscribe(this.#pattern, { callback })
  }

  /** Takes a slot for one request; throws `overloaded` when all of them wait. */
  add(subject: string, onReply: OnReply, mark: number): number {
    const slot = this.#slots.take(onReply, subject, mark)
    if (slot < 0) throw new BusError('overloaded', `${maxSlots} requests are waiting for replies`)
    return slot
  }

  /** Requests that wait. */
  get size(): number {
    return this.#slots.size
  }

  replySubject(slot: number): string {
    return this.#slots.replySubject(slot)
  }

  generation(slot: number): number {
    return this.#slots.generation(slot)
  }

  /** Whether the request that got this generation of the slot still waits. */
  holds(slot: number, generation: number): boolean {
    return this.#slots.holds(slot, generation)
  }

  /** Ends a request that could not be sent, if it still waits. */
  refuse(slot: number, generation: number, error: BusError): void {
    if (this.#slots.holds(slot, generation)) this.#end(slot, error)
  }

  /** Starts the clock of a request. */
  wait(slot: number, timeoutMs: number): Pending {
    if (this.#wheel.capacity < this.#slots.capacity) this.#wheel.grow(this.#slots.capacity)
    this.#wheel.arm(slot, timeoutMs)
    return new PendingReply(this, slot, this.#slots.generation(slot))
  }

  cancel(slot: number, generation: number): void {
    if (this.#slots.holds(slot, generation)) this.#release(slot)
  }

  extend(slot: number, generation: number, timeoutMs: number): void {
    if (!(timeoutMs >= 0 && timeoutMs < Infinity)) throw new RangeError(`timeoutMs: ${timeoutMs} is not a time to wait`)
    if (this.#slots.holds(slot, generation)) this.#wheel.arm(slot, timeoutMs)
  }

  /** Fails the waiting requests, all or those to one subject, in the order they were made. */
  fail(error: BusError, subject?: string): void {
    const slots = this.#slots.waiting(subject)
    const generations = slots.map((slot) => this.#slots.generation(slot))
    // A callback may cancel a request that is next here, and its slot may have a new request by then.
    for (const [i, slot] of slots.entries()) {
      if (this.#slots.holds(slot, generations[i] ?? 0)) this.#end(slot, error)
    }
  }

  #onReply(message: Msg): void {
    const slot = this.#slots.find(subjectBytes(message))
    if (slot < 0) return
    const generation = this.#slots.generation(slot)
    this.#owner.confirm(this.#slots.mark(slot))
    const onReply = this.#slots.callback(slot)
    // What confirming set off may have cancelled this request, or given its slot to another one.
    if (onReply === undefined || !this.#slots.holds(slot, generation)) return
    if (isNoResponders(message)) {
      return this.#end(slot, new BusError('no_responders', `nobody listens on ${this.#slots.subject(slot)}`))
    }
    this.#view.show(message)
    const keep = this.#call(onReply, this.#view)
    this.#view.show(undefined)
    if (!keep && this.#slots.holds(slot, generation)) this.#release(slot)
  }

  #refused(cause: Error): void {
    this.#running = undefined
    this.fail(
      new BusError('forbidden', `not allowed to subscribe to replies on ${this.#pattern}: set inboxPrefix`, { cause }),
    )
  }

  #expire(slot: number): void {
    this.#end(slot, new BusError('timeout', `no reply from ${this.#slots.subject(slot)} in time`))
  }

  #end(slot: number, error: BusError): void {
    const onReply = this.#slots.callback(slot)
    this.#release(slot)
    if (onReply !== undefined) this.#call(onReply, error)
  }

  #release(slot: number): void {
    this.#wheel.disarm(slot)
    this.#slots.release(slot)
  }

  // A throw must not get into the client: it would end its read loop, and with it the connection, for good.
  #call(onReply: OnReply, reply: BusMessage | BusError): boolean {
    try {
      return onReply(reply) === true
    } catch (error) {
      this.#owner.failed(error)
      return false
    }
  }
}

class PendingReply implements Pending {
  readonly #inbox: ReplyInbox
  readonly #slot: number
  readonly #generation: number

  constructor(inbox: ReplyInbox, slot: number, generation: number) {
    this.#inbox = inbox
    this.#slot = slot
    this.#generation = generation
  }

  cancel(): void {
    this.#inbox.cancel(this.#slot, this.#generation)
  }

  extend(timeoutMs: number): void {
    this.#inbox.extend(this.#slot, this.#generation, timeoutMs)
  }
}
