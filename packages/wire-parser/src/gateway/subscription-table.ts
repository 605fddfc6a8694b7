// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import { ChurnMap } from './churn-map.ts'

/** One SUB of a connection. */
export interface Subscription {
  readonly key: number | string
  readonly sid: Uint8Array
  readonly subject: string
  readonly queue: string | undefined
  /** Whether its messages are asked about one by one. */
  isPartial: boolean
  delivered: number
  /** After how many deliveries it ends; 0 for never. */
  max: number
  /** Whether the gateway counts and ends it, because it may drop deliveries the server has counted. */
  isOwned: boolean
  /** The client has unsubscribed, but messages may still be on their way. */
  isLeaving: boolean
  /** Nothing more is delivered for it. */
  isEnded: boolean
}

interface Leaving {
  readonly subscription: Subscription
  /** The PONG that proves the server has read the UNSUB. */
  readonly pong: number
}

// For clients that never send PING; what leaves is long forgotten by then.
const maxLeaving = 1024

/** The subscriptions of one connection, found by the bytes of their sid. */
export class SubscriptionTable {
  readonly #byKey = new ChurnMap<number | string, Subscription>()
  /** By subject and queue, for the words of a refusal; kept once the server has refused one. */
  #byWords: ChurnMap<string, Set<Subscription>> | undefined
  #leaving: Leaving[] = []
  #lastKey: number | string = -1
  #last: Subscription | undefined
  #size = 0

  /** Subscriptions that are not leaving. */
  get size(): number {
    return this.#size
  }

  /** Those that are not leaving. */
  *values(): IterableIterator<Subscription> {
    for (const subscription of this.#byKey.values()) {
      if (!subscription.isLeaving) yield subscription
    }
  }

  /** The subscription of a sid, also one whose messages may still come. */
  find(view: OperationView): Subscription | undefined {
    const key = keyOf(view.bytes, view.sidStart, view.sidEnd)
    if (key !== this.#lastKey) {
      this.#lastKey = key
      this.#last = this.#byKey.get(key)
    }
    return this.#last
  }

  /** Adds the subscription of a SUB; as in the server the first one with a sid stays. */
  add(view: OperationView, isPartial: boolean): Subscription | undefined {
    const known = this.find(view)
    if (known?.isLeaving === false) return undefined
    const key = keyOf(view.bytes, view.sidStart, view.sidEnd)
    const subscription: Subscription = {
      key,
      sid: new Uint8Array(view.bytes.subarray(view.sidStart, view.sidEnd)),
      subject: view.subject,
      queue: view.queue,
      isPartial,
      delivered: 0,
      max: 0,
      isOwned: false,
      isLeaving: false,
      isEnded: false,
    }
    this.#byKey.set(key, subscription)
    this.#index(subscription)
    this.#lastKey = -1
    this.#size++
    return subscription
  }

  /** The client has unsubscribed; what the server sent before is delivered still, until it has answered a PING. */
  leave(subscription: Subscription, pings: number): void {
    if (subscription.isLeaving) return
    subscription.isLeaving = true
    this.#size--
    this.#leaving.push({ subscription, pong: pings + 1 })
    if (this.#leaving.length > maxLeaving) this.#forget(this.#leaving.shift())
  }

  /** The server has stopped sending for it. */
  delete(subscription: Subscription): void {
    if (subscription.isLeaving) return
    this.#size--
    subscription.isLeaving = true
    this.#forget({ subscription, pong: 0 })
  }

  /** The server has refused to subscribe to this: none of these is a subscription. */
  refused(subject: string, queue: string | undefined): void {
    if (this.#byWords === undefined) {
      this.#byWords = new ChurnMap()
      for (const subscription of this.values()) this.#index(subscription)
    }
    for (const subscription of this.#byWords.get(wordsOf({ subject, queue })) ?? []) this.delete(subscription)
  }

  #index(subscription: Subscription): void {
    if (this.#byWords === undefined) return
    const words = wordsOf(subscription)
    const same = this.#byWords.get(words)
    if (same === undefined) this.#byWords.set(words, new Set([subscription]))
    else same.add(subscription)
  }

  /** Forgets those that left before the PING of this PONG. */
  ponged(pongs: number): void {
    while ((this.#leaving[0]?.pong ?? Infinity) <= pongs) this.#forget(this.#leaving.shift())
  }

  #forget(leaving: Leaving | undefined): void {
    if (leaving === undefined) return
    const { subscription } = leaving
    this.#lastKey = -1
    if (this.#byKey.get(subscription.key) === subscription) this.#byKey.delete(subscription.key)
    if (this.#byWords === undefined) return
    const words = wordsOf(subscription)
    const same = this.#byWords.get(words)
    if (same?.delete(subscription) === true && same.size === 0) this.#byWords.delete(words)
  }
}

function wordsOf({ subject, queue }: Pick<Subscription, 'subject' | 'queue'>): string {
  return queue === undefined ? subject : `${subject} ${queue}`
}

// Client libraries number their subscriptions, so a number is made of digits without making a string first. A sid is any
// bytes all the same: `01` is another one than `1`.
function keyOf(bytes: Uint8Array, start: number, end: number): number | string {
  const length = end - start
  if (length > 9 || (length > 1 && bytes[start] === 0x30)) return text(bytes, start, end)
  let key = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) return text(bytes, start, end)
    key = key * 10 + digit
  }
  return key
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
