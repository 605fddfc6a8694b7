// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/nats-core'
import type { BusError } from '../bus-error.ts'
import { headerCarrier, type HeaderCarrier } from './client-headers.ts'
import { Departure } from './leaving.ts'
import { ReplyInbox, type InboxOwner } from './reply-inbox.ts'

const IDLE_POLL_MS = 20

/** One connection of a bus and what is under way on it. */
export class Link {
  readonly nats: NatsConnection
  readonly prefix: string
  readonly inbox: ReplyInbox
  readonly carry: HeaderCarrier
  readonly #flushes = new Set<(error: BusError) => void>()
  #departure: Departure | undefined
  #lost = latch()

  /** Reply subjects begin with `prefix` and `token`, the connection's own. */
  constructor(nats: NatsConnection, prefix: string, token: string, owner: InboxOwner) {
    this.nats = nats
    this.prefix = prefix
    this.inbox = new ReplyInbox(`${prefix}.${token}.`, owner)
    this.carry = headerCarrier(nats)
  }

  /** Resolves when the connection is lost the next time. */
  get lost(): Promise<void> {
    return this.#lost.promise
  }

  /** Resolves when the server has everything; rejects with what `failed` makes of the client's reason, or when lost. */
  flush(failed: (cause: unknown) => BusError): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushes.add(reject)
      this.nats.flush().then(
        () => {
          if (this.#flushes.delete(reject)) resolve()
        },
        (cause: unknown) => {
          if (this.#flushes.delete(reject)) reject(failed(cause))
        },
      )
    })
  }

  /** The connection is lost: ends everything that waits on it, requests first. */
  fail(error: BusError): void {
    this.#departure?.cancel()
    this.#departure = undefined
    this.#lost.resolve()
    this.#lost = latch()
    this.inbox.fail(error)
    for (const reject of this.#flushes) reject(error)
    this.#flushes.clear()
  }

  /** Its server is about to stop; undefined when that is known already. */
  depart(): Departure | undefined {
    if (this.#departure !== undefined) return undefined
    this.#departure = new Departure(this.nats)
    return this.#departure
  }

  /** There is another connection now, or none is to be had: the server may say again that it stops. */
  departed(): void {
    this.#departure = undefined
  }

  /** Resolves when the last request that was made here has its answer. */
  async idle(): Promise<void> {
    while (this.inbox.size > 0) await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS).unref())
  }
}

interface Latch {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

const nothing = (): void => undefined

function latch(): Latch {
  let resolve = nothing
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
