// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection, ServerInfo } from '@nats-io/nats-core'
import type { BusInfo } from '../message-bus.ts'

const POLL_MS = 250

/**
 * What the server said last. An INFO may come at any time and the client does not tell of it, so its object is compared
 * at every use, and a few times a second while somebody listens.
 */
export class LiveInfo {
  readonly #changed: () => void
  #nats: NatsConnection | undefined
  #seen: ServerInfo | undefined
  #info: BusInfo | undefined
  #poll: NodeJS.Timeout | undefined

  constructor(changed: () => void) {
    this.#changed = changed
  }

  read(): BusInfo | undefined {
    const seen = this.#nats?.info
    if (seen !== this.#seen && seen !== undefined) {
      const before = this.#info
      this.#take(seen)
      if (before === undefined || !isEqual(before, this.#info)) this.#changed()
    }
    return this.#info
  }

  /** Starts with what a fresh connection says; that is no change to tell of. */
  follow(nats: NatsConnection): void {
    this.#nats = nats
    if (nats.info !== undefined) this.#take(nats.info)
  }

  /** Looks by itself as long as `wanted`. */
  watch(wanted: boolean): void {
    clearInterval(this.#poll)
    this.#poll = wanted ? setInterval(() => this.read(), POLL_MS) : undefined
    this.#poll?.unref()
  }

  #take(info: ServerInfo): void {
    this.#seen = info
    this.#info = Object.freeze({
      maxPayloadBytes: info.max_payload,
      serverVersion: info.version,
      headers: info.headers === true,
      jetstream: info.jetstream === true,
    })
  }
}

function isEqual(one: BusInfo, other: BusInfo | undefined): boolean {
  return (
    one.maxPayloadBytes === other?.maxPayloadBytes &&
    one.serverVersion === other.serverVersion &&
    one.headers === other.headers &&
    one.jetstream === other.jetstream
  )
}
