// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusMessage, Subject } from '@nats-edge/wire-parser'
import type { WsEvent } from '../event.ts'
import type { RoomMessage, RoomSubscription } from '../room-bus.ts'
import { roomCopy } from './room-copy.ts'
import { Upstreams, type Lease } from './upstreams.ts'

/** One of the ways of messages between rooms of several servers. */
export interface RoomLink {
  subscribe(room: string, deliver: (message: RoomMessage) => void): RoomSubscription
  /** Throws what the Bus throws, or WsError. */
  publish(room: string, message: RoomMessage): void
  /** The broker is there, again or for the first time. */
  connected?(): void
}

/** What both ways need: the subscriptions of one room bus, and the numbers of what goes through them. */
export class RoomSite {
  readonly bus: Bus
  readonly prefix: string
  /** By it a server knows its own messages when they come back. */
  readonly origin: string
  sent = 0
  received = 0
  malformed = 0
  observe: ((event: WsEvent) => void) | undefined
  readonly #leases = new Set<Lease>()

  constructor(bus: Bus, prefix: string, origin: string) {
    this.bus = bus
    this.prefix = prefix
    this.origin = origin
  }

  /** Subscribes for a room; what it gives is closed with the room bus at the latest. */
  listen(subject: Subject, room: string, message: (message: BusMessage) => void): Lease {
    const failed = (error: unknown): void => this.failed(room, error)
    const lease = Upstreams.of(this.bus).listen(subject, { message, failed })
    this.#leases.add(lease)
    return {
      ready: () => lease.ready(),
      close: () => {
        this.#leases.delete(lease)
        lease.close()
      },
    }
  }

  /** Reads what has come; undefined for a text that is none. */
  read(message: BusMessage): RoomMessage | undefined {
    const copy = roomCopy(message)
    if (copy === undefined) this.malformed += 1
    else this.received += 1
    return copy
  }

  failed(room: string, error: unknown): void {
    this.observe?.({ type: 'room.failed', room, error })
  }

  close(): void {
    for (const lease of this.#leases) lease.close()
    this.#leases.clear()
  }
}
