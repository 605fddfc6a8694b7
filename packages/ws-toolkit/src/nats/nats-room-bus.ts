// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import type { BusMessage, MetricFamily } from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import type { WsEvent } from '../event.ts'
import { checkKeys } from '../option-check.ts'
import type { RoomBus, RoomMessage, RoomSubscription } from '../room-bus.ts'
import { WsError } from '../ws-error.ts'
import { busFault, checkConnected } from './bus-fault.ts'
import { watchBus } from './bus-watch.ts'
import { jetstreamReply } from './jetstream-reply.ts'
import { originHeader, roomCopy, roomHeaders } from './room-copy.ts'
import { RoomFeed } from './room-feed.ts'
import { RoomHistory } from './room-history.ts'
import type { RoomHistoryOptions } from './room-stream.ts'
import { checkedPrefix, roomSubject } from './room-subject.ts'
import { Upstreams, type Lease } from './upstreams.ts'

export interface NatsRoomBusOptions {
  /** What the subjects of rooms begin with; equal on all servers that share rooms. Default `ws.rooms`. */
  readonly prefix?: string
  /** Keeps what is said, for `join(room, { rewind })`, and brings it to members by way of its stream. Default: it is not kept. */
  readonly history?: RoomHistoryOptions
}

/** Copies of what is said in rooms, that reach and leave this server. */
interface RoomCounts {
  sent: number
  received: number
  malformed: number
}

const storeTimeoutMs = 5000
const maxStoring = 10_000

/**
 * Carries the rooms of one gateway to others. Over core NATS: at most once, in the order of each sender. With a history:
 * in one order for all servers, and what was missed while the broker was away is made up for. What services publish on
 * the subject of a room reaches its members as well.
 */
export function natsRoomBus(nats: NatsSource, options: NatsRoomBusOptions = {}): RoomBus {
  checkKeys('natsRoomBus', options, ['prefix', 'history'])
  const prefix = checkedPrefix(options.prefix ?? 'ws.rooms')
  const bus = busFrom(nats)
  const history = options.history && new RoomHistory(bus, prefix, options.history)
  const upstreams = Upstreams.of(bus)
  const origin = randomBytes(16).toString('base64url')
  const counts: RoomCounts = { sent: 0, received: 0, malformed: 0 }
  const leases = new Set<Lease>()
  const feeds = new Set<RoomFeed>()
  let storing = 0
  let observe: ((event: WsEvent) => void) | undefined
  let unwatch: (() => void) | undefined

  const failed = (room: string, error: unknown): void => observe?.({ type: 'room.failed', room, error })

  function read(message: BusMessage): RoomMessage | undefined {
    const copy = roomCopy(message)
    if (copy === undefined) counts.malformed += 1
    else counts.received += 1
    return copy
  }

  /** What other servers say, as they say it. */
  function listen(room: string, deliver: (message: RoomMessage) => void): RoomSubscription {
    const message = (incoming: BusMessage): void => {
      if (incoming.headers?.get(originHeader) === origin) return
      const copy = read(incoming)
      if (copy !== undefined) deliver(copy)
    }
    const lease = upstreams.listen(roomSubject(prefix, room), { message, failed: (error) => failed(room, error) })
    leases.add(lease)
    return {
      get ready() {
        return lease.ready() ?? Promise.resolve()
      },
      close: () => {
        leases.delete(lease)
        lease.close()
      },
    }
  }

  /** What the stream has stored, whoever said it. */
  function follow(stored: RoomHistory, room: string, deliver: (message: RoomMessage) => void): RoomSubscription {
    const feed = new RoomFeed({
      read: (seq) => stored.readFrom(room, seq),
      deliver,
      failed: (error) => failed(room, error),
    })
    const message = (incoming: BusMessage): void => {
      const { headers } = incoming
      const seq = Number(headers?.get('Nats-Sequence') ?? Number.NaN)
      // Somebody else than the stream.
      if (!Number.isInteger(seq)) return
      const copy = read(incoming)
      if (copy !== undefined) feed.take({ ...copy, seq }, Number(headers?.get('Nats-Last-Sequence')))
    }
    const lease = upstreams.listen(stored.feed(room), { message, failed: (error) => failed(room, error) })
    leases.add(lease)
    feeds.add(feed)
    const placed = async (): Promise<void> => {
      await lease.ready()
      if (feed.isPlaced) return
      try {
        feed.place(await stored.position())
      } catch (error) {
        failed(room, error)
        throw error
      }
    }
    return {
      get ready() {
        return placed()
      },
      close: () => {
        feeds.delete(feed)
        leases.delete(lease)
        lease.close()
      },
    }
  }

  /** Sends and waits for the stream, which is told of only where it fails. */
  function store(room: string, message: RoomMessage): void {
    if (storing >= maxStoring) throw new WsError('overloaded')
    const headers = roomHeaders(message, origin)
    const onReply = (reply: Parameters<Parameters<typeof bus.request>[2]>[0]): void => {
      storing -= 1
      try {
        if (reply.kind === 'error') throw busFault(reply)
        jetstreamReply(reply.payload)
      } catch (error) {
        failed(room, error)
      }
    }
    bus.request(roomSubject(prefix, room), message.payload, onReply, { timeoutMs: storeTimeoutMs, headers })
    storing += 1
  }

  return {
    delivers: history === undefined ? 'remote' : 'all',
    subscribe: (room, deliver) => (history === undefined ? listen(room, deliver) : follow(history, room, deliver)),
    publish(room, message) {
      try {
        if (history !== undefined) store(room, message)
        else bus.publish(roomSubject(prefix, room), message.payload, { headers: roomHeaders(message, origin) })
      } catch (error) {
        throw busFault(error)
      }
      counts.sent += 1
    },
    ...(history && { history: async (room, count) => (await history.whole(room)).slice(-count) }),
    mount(site) {
      if (observe !== undefined)
        throw new TypeError('roomBus: this natsRoomBus() has a gateway already; make another one')
      observe = site.observe
      const stopWatch = watchBus(bus, observe)
      const stopStatus = bus.onStatus(({ type }) => {
        if (type === 'connected') for (const feed of feeds) feed.catchUp()
      })
      unwatch = () => {
        stopWatch()
        stopStatus()
      }
    },
    async ready() {
      await connected()
      await bus.flush()
      await history?.position()
    },
    stats: () => families(counts),
    close() {
      unwatch?.()
      for (const lease of leases) lease.close()
      leases.clear()
      feeds.clear()
    },
  }

  async function connected(): Promise<void> {
    if (bus.state === 'disconnected') {
      await new Promise<void>((resolve) => {
        const stop = bus.onStatus(({ type }) => {
          if (type !== 'connected' && type !== 'closed') return
          stop()
          resolve()
        })
      })
    }
    checkConnected(bus.state)
  }
}

function families({ sent, received, malformed }: RoomCounts): MetricFamily[] {
  return [
    {
      name: 'room_bus_messages_total',
      help: 'Messages of rooms that were sent to other servers, and that came from them.',
      kind: 'counter',
      samples: [
        { labels: { direction: 'out' }, value: sent },
        { labels: { direction: 'in' }, value: received },
      ],
    },
    {
      name: 'room_bus_malformed_total',
      help: 'Messages of rooms that came as text and are none.',
      kind: 'counter',
      samples: [{ labels: {}, value: malformed }],
    },
  ]
}
