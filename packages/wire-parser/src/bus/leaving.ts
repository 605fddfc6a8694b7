// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/nats-core'

/** A connection whose server is about to stop (lame duck), and which a bus leaves for another one. */
export interface Leaving {
  readonly nats: NatsConnection
  /** Aborted when the connection is lost before there was another one; the client comes back by itself then. */
  readonly signal: AbortSignal
  /** Resolves when nothing of the bus is under way on the connection any more, so that its owner may close it. */
  readonly done: Promise<void>
}

/** Makes the connection a bus goes over to; by a rejection the bus stays where it is. */
export type OnLameDuck = (leaving: Leaving) => Promise<NatsConnection>

/** A Leaving as the bus sees it. */
export class Departure implements Leaving {
  readonly nats: NatsConnection
  readonly done: Promise<void>
  readonly #abort = new AbortController()
  #finish: () => void = () => undefined

  constructor(nats: NatsConnection) {
    this.nats = nats
    this.done = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** There is no point in another connection any more. */
  cancel(): void {
    this.#abort.abort()
  }

  finish(): void {
    this.#finish()
  }
}
