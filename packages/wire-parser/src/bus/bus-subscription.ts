// SPDX-License-Identifier: Apache-2.0
import type { Msg, NatsConnection, Subscription as ClientSubscription } from '@nats-io/nats-core'
import { BusError } from '../bus-error.ts'
import type { BusMessage, SubscribeOptions, Subscription } from '../message-bus.ts'
import type { Pattern } from '../pattern.ts'

/** What a subscription needs of its bus. */
export interface SubscriptionOwner {
  sending(): void
  flush(): Promise<void>
  deliver(message: Msg, onMessage: (message: BusMessage) => void): void
  ended(subscription: BusSubscription, error?: BusError): void
}

/** One subscription of a bus, with or without a connection to run on yet. */
export class BusSubscription implements Subscription {
  readonly pattern: Pattern
  readonly onEnd: ((error: BusError) => void) | undefined
  readonly #queue: string | undefined
  readonly #onMessage: (message: BusMessage) => void
  readonly #owner: SubscriptionOwner
  #running: ClientSubscription | undefined
  #ended = false

  constructor(
    pattern: Pattern,
    onMessage: (message: BusMessage) => void,
    options: SubscribeOptions | undefined,
    owner: SubscriptionOwner,
  ) {
    this.pattern = pattern
    this.onEnd = options?.onEnd
    this.#queue = options?.queue
    this.#onMessage = onMessage
    this.#owner = owner
  }

  /** Sends the SUB; the client repeats it after each reconnect. */
  start(nats: NatsConnection): void {
    this.#running = this.#open(nats, () => true)
  }

  /**
   * Sends the SUB on another connection and returns what ends the old one, unless that is `lost`. Until then both servers
   * may have a copy of a message, and the old one's counts; of a queue group each has its own, and all of them count.
   */
  move(nats: NatsConnection): (lost: Promise<void>) => Promise<void> {
    const from = this.#running
    const isQueue = this.#queue !== undefined
    let isCut = false
    this.#running = this.#open(nats, () => isCut || isQueue)
    return async (lost) => {
      isCut = true
      // The client's own drain never settles across a loss.
      if (isQueue && from !== undefined) await Promise.race([from.drain(), lost]).catch(() => undefined)
      else from?.unsubscribe()
    }
  }

  unsubscribe(): void {
    if (this.#ended) return
    this.#ended = true
    this.#owner.sending()
    this.#running?.unsubscribe()
    this.#owner.ended(this)
  }

  async drain(): Promise<void> {
    const running = this.#running
    if (this.#ended || running === undefined) return this.unsubscribe()
    this.#owner.sending()
    // The client's own drain never settles across a loss, and then there is nothing left to come.
    await Promise.race([running.drain(), this.#owner.flush()]).catch(() => undefined)
    this.unsubscribe()
  }

  #open(nats: NatsConnection, isHeard: () => boolean): ClientSubscription {
    const callback = (error: Error | null, message: Msg): void => {
      if (this.#ended) return
      if (error !== null)
        this.end(new BusError('forbidden', `not allowed to subscribe to ${this.pattern}`, { cause: error }))
      else if (isHeard()) this.#owner.deliver(message, this.#onMessage)
    }
    const queue = this.#queue
    return nats.subscribe(this.pattern, queue === undefined ? { callback } : { callback, queue })
  }

  /** Ends it from the other side. */
  end(error: BusError): void {
    if (this.#ended) return
    this.#ended = true
    this.#owner.ended(this, error)
  }
}
