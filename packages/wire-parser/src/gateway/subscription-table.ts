// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'

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
  /** Nothing more is delivered for it. */
  isEnded: boolean
}

/** The subscriptions of one connection, found by the bytes of their sid. */
export class SubscriptionTable {
  readonly #byKey = new Map<number | string, Subscription>()
  #lastKey: number | string = -1
  #last: Subscription | undefined

  get size(): number {
    return this.#byKey.size
  }

  values(): IterableIterator<Subscription> {
    return this.#byKey.values()
  }

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
    const key = keyOf(view.bytes, view.sidStart, view.sidEnd)
    if (this.#byKey.has(key)) return undefined
    const sid = view.bytes.slice(view.sidStart, view.sidEnd)
    const { subject, queue } = view
    const subscription = { key, sid, subject, queue, isPartial, delivered: 0, max: 0, isOwned: false, isEnded: false }
    this.#byKey.set(key, subscription)
    this.#forget(key)
    return subscription
  }

  delete(subscription: Subscription): void {
    subscription.isEnded = true
    this.#byKey.delete(subscription.key)
    this.#forget(subscription.key)
  }

  clear(): void {
    this.#byKey.clear()
    this.#lastKey = -1
    this.#last = undefined
  }

  #forget(key: number | string): void {
    if (key === this.#lastKey) this.#lastKey = -1
  }
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
