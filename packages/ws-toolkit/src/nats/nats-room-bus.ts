// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import type { Bus, MetricFamily } from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import { checkKeys } from '../option-check.ts'
import type { RoomBus } from '../room-bus.ts'
import { busFault, checkConnected } from './bus-fault.ts'
import { watchBus } from './bus-watch.ts'
import { liveRooms } from './live-rooms.ts'
import { RoomHistory } from './room-history.ts'
import { RoomSite } from './room-link.ts'
import type { RoomHistoryOptions } from './room-stream.ts'
import { checkedPrefix } from './room-subject.ts'
import { StoredRooms } from './stored-rooms.ts'

export interface NatsRoomBusOptions {
  /** What the subjects of rooms begin with; equal on all servers that share rooms. Default `ws.rooms`. */
  readonly prefix?: string
  /** Keeps what is said, for `join(room, { rewind })`, and brings it to members by way of its stream. Default: it is not kept. */
  readonly history?: RoomHistoryOptions
}

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
  const site = new RoomSite(bus, prefix, randomBytes(16).toString('base64url'))
  const link = history === undefined ? liveRooms(site) : new StoredRooms(site, history)
  const unwatch: (() => void)[] = []

  return {
    delivers: history === undefined ? 'remote' : 'all',
    subscribe: (room, deliver) => link.subscribe(room, deliver),
    publish(room, message) {
      try {
        link.publish(room, message)
      } catch (error) {
        throw busFault(error)
      }
      site.sent += 1
    },
    ...(history && { history: async (room, count) => (await history.whole(room)).slice(-count) }),
    mount({ observe }) {
      if (site.observe !== undefined)
        throw new TypeError('roomBus: this natsRoomBus() has a gateway already; make another one')
      site.observe = observe
      unwatch.push(watchBus(bus, observe))
      unwatch.push(
        bus.onStatus(({ type }) => {
          if (type === 'connected') link.connected?.()
        }),
      )
    },
    async ready() {
      await connected(bus)
      await bus.flush()
      await history?.position()
    },
    stats: () => families(site),
    close() {
      for (const stop of unwatch) stop()
      site.close()
    },
  }
}

async function connected(bus: Bus): Promise<void> {
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

function families({ sent, received, malformed }: RoomSite): MetricFamily[] {
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
