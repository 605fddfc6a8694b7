// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import {
  parsePattern,
  parseSubject,
  type Bus,
  type BusMessage,
  type Subject,
  type Subscription,
} from '@nats-edge/wire-parser'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'

/** Takes the answers to one request. */
export interface Answered {
  message(message: BusMessage): void
  failed(error: WsError): void
}

/** A request that waits for answers. */
export interface Ticket {
  /** Where workers send them. */
  readonly reply: Subject
  close(): void
}

const desks = new WeakMap<Bus, ReplyDesk>()

/** Takes what workers send to `_gw.<instance>.<connection>.<request>`, and to `_gw.<instance>.<connection>` unasked. */
export class ReplyDesk {
  readonly #bus: Bus
  // 128 bits: nobody who was not asked can guess where to answer.
  readonly #prefix = `_gw.${randomBytes(16).toString('hex')}.`
  readonly #answered = new Map<string, Answered>()
  readonly #pushed = new Map<string, (message: BusMessage) => void>()
  #subscription: Subscription | undefined
  #unlisten: (() => void) | undefined
  #users = 0
  #count = 0
  #unmatched = 0

  private constructor(bus: Bus) {
    this.#bus = bus
  }

  /** The one desk of a Bus. */
  static of(bus: Bus): ReplyDesk {
    const known = desks.get(bus) ?? new ReplyDesk(bus)
    desks.set(bus, known)
    return known
  }

  /** Messages for nobody who is here: late, twice, or for a client that has left. */
  get unmatched(): number {
    return this.#unmatched
  }

  /** Counts one more user; the subscription ends when the last one has called what this returns. */
  use(): () => void {
    this.#users += 1
    let isUsing = true
    return () => {
      if (!isUsing) return
      isUsing = false
      this.#users -= 1
      if (this.#users === 0) this.#end()
    }
  }

  /** Opens a ticket for a request of a connection. */
  open(connectionId: string, answered: Answered): Ticket {
    this.#start()
    this.#count += 1
    const key = `${connectionId}.${this.#count}`
    const reply = parseSubject(this.#prefix + key)
    if (reply === undefined) throw new TypeError(`${connectionId} is no token`)
    this.#answered.set(key, answered)
    return { reply, close: () => void this.#answered.delete(key) }
  }

  /** Hands what is sent to a connection unasked to `push`; false where somebody takes it already. */
  receive(connectionId: string, push: (message: BusMessage) => void): boolean {
    if (this.#pushed.has(connectionId)) return false
    this.#pushed.set(connectionId, push)
    return true
  }

  leave(connectionId: string): void {
    this.#pushed.delete(connectionId)
  }

  #start(): void {
    if (this.#subscription !== undefined) return
    const pattern = parsePattern(`${this.#prefix}>`)
    if (pattern === undefined) throw new TypeError('the prefix of replies is no subject')
    this.#subscription = this.#bus.subscribe(pattern, (message) => this.#take(message), {
      onEnd: (error) => {
        this.#subscription = undefined
        this.#failAll(busFault(error))
      },
    })
    this.#unlisten ??= this.#bus.onStatus(({ type }) => {
      if (type === 'disconnected' || type === 'closed') this.#failAll(new WsError('disconnected'))
    })
  }

  #take(message: BusMessage): void {
    const key = message.subject.slice(this.#prefix.length)
    const answered = this.#answered.get(key)
    const pushed = answered === undefined ? this.#pushed.get(key) : undefined
    if (answered !== undefined) answered.message(message)
    else if (pushed !== undefined) pushed(message)
    else this.#unmatched += 1
  }

  #failAll(error: WsError): void {
    for (const answered of this.#answered.values()) answered.failed(error)
  }

  #end(): void {
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
    this.#unlisten?.()
    this.#unlisten = undefined
  }
}
