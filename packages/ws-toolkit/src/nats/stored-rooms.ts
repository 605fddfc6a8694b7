// SPDX-License-Identifier: Apache-2.0
import type { BusError, BusMessage } from '@nats-edge/wire-parser'
import { schedule } from '../deadline.ts'
import type { RoomMessage, RoomSubscription } from '../room-bus.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { jetstreamReply } from './jetstream-reply.ts'
import { roomHeaders } from './room-copy.ts'
import { RoomFeed } from './room-feed.ts'
import type { RoomHistory } from './room-history.ts'
import type { RoomLink, RoomSite } from './room-link.ts'
import { roomSubject } from './room-subject.ts'

const storeTimeoutMs = 5000
const maxStoring = 10_000
// A broker that has started may take a while to know its streams.
const tryAgainMs = 500
const maxTries = 60

/** Carries what is said through a stream, to all servers alike. */
export class StoredRooms implements RoomLink {
  readonly #site: RoomSite
  readonly #history: RoomHistory
  readonly #feeds = new Set<RoomFeed>()
  #storing = 0

  constructor(site: RoomSite, history: RoomHistory) {
    this.#site = site
    this.#history = history
  }

  subscribe(room: string, deliver: (message: RoomMessage) => void): RoomSubscription {
    const site = this.#site
    const history = this.#history
    const feeds = this.#feeds
    const feed = new RoomFeed({
      read: (seq) => history.readFrom(room, seq),
      deliver,
      failed: (error) => site.failed(room, error),
      restarted: () => site.observe?.({ type: 'stream.reset', stream: history.stream, reason: 'counts from 1 again' }),
    })
    const lease = site.listen(history.feed(room), room, (message) => {
      const seq = Number(message.headers?.get('Nats-Sequence') ?? Number.NaN)
      // Somebody else than the stream.
      if (!Number.isInteger(seq)) return
      const copy = site.read(message)
      if (copy !== undefined) feed.take({ ...copy, seq }, Number(message.headers?.get('Nats-Last-Sequence')))
    })
    feeds.add(feed)
    return {
      get ready() {
        return Promise.resolve(lease.ready()).then(() => placed(feed))
      },
      close: () => {
        feeds.delete(feed)
        lease.close()
      },
    }

    async function placed(unplaced: RoomFeed): Promise<void> {
      if (unplaced.isPlaced) return
      try {
        unplaced.place(await history.position())
      } catch (error) {
        site.failed(room, error)
        throw error
      }
    }
  }

  /** Sends and waits for the stream, of which is told only where it fails. */
  publish(room: string, message: RoomMessage): void {
    if (this.#storing >= maxStoring) throw new WsError('overloaded')
    const { bus, prefix, origin } = this.#site
    const onReply = (reply: BusMessage | BusError): void => {
      this.#storing -= 1
      try {
        if (reply.kind === 'error') throw busFault(reply)
        jetstreamReply(reply.payload)
      } catch (error) {
        this.#site.failed(room, error)
      }
    }
    const headers = roomHeaders(message, origin)
    bus.request(roomSubject(prefix, room), message.payload, onReply, { timeoutMs: storeTimeoutMs, headers })
    this.#storing += 1
  }

  connected(): void {
    void this.#catchUp(this.#site.bus.epoch)
  }

  /** Lets all rooms read what they have missed. */
  async #catchUp(epoch: number): Promise<void> {
    const { bus } = this.#site
    for (let tries = 0; tries < maxTries && bus.epoch === epoch && this.#feeds.size > 0; tries += 1) {
      try {
        const seen = new Map([...this.#feeds].map((feed) => [feed, feed.seq] as const))
        const position = await this.#history.position()
        for (const [feed, seq] of seen) {
          if (this.#feeds.has(feed)) feed.catchUp(position, seq)
        }
        return
      } catch {
        await new Promise<void>((resolve) => schedule(tryAgainMs, resolve))
      }
    }
  }
}
