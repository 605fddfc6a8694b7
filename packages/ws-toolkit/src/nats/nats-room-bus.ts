// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { encodeHeaderLines, HeaderWriter, type BusMessage, type MetricFamily } from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import type { WsEvent } from '../event.ts'
import { checkKeys } from '../option-check.ts'
import type { RoomBus, RoomMessage, RoomSubscription } from '../room-bus.ts'
import { busFault, checkConnected } from './bus-fault.ts'
import { watchBus } from './bus-watch.ts'
import { checkedPrefix, roomSubject } from './room-subject.ts'
import { Upstreams, type Lease } from './upstreams.ts'

export interface NatsRoomBusOptions {
  /** What the subjects of rooms begin with; equal on all servers that share rooms. Default `ws.rooms`. */
  readonly prefix?: string
}

/** Copies of what is said in rooms, that reach and leave this server. */
interface RoomCounts {
  sent: number
  received: number
  malformed: number
}

/**
 * Carries the rooms of one gateway to others over core NATS: at most once, in the order of each sender. What services
 * publish on the subject of a room reaches its members as well.
 */
export function natsRoomBus(nats: NatsSource, options: NatsRoomBusOptions = {}): RoomBus {
  checkKeys('natsRoomBus', options, ['prefix'])
  const prefix = checkedPrefix(options.prefix ?? 'ws.rooms')
  const bus = busFrom(nats)
  const upstreams = Upstreams.of(bus)
  // By it a server knows its own messages when they come back.
  const origin = randomBytes(16).toString('base64url')
  const text = encodeHeaderLines([
    ['Ws-Origin', origin],
    ['Ws-Opcode', 'text'],
  ])
  const binary = encodeHeaderLines([
    ['Ws-Origin', origin],
    ['Ws-Opcode', 'binary'],
  ])
  let writer = new HeaderWriter()
  const counts: RoomCounts = { sent: 0, received: 0, malformed: 0 }
  const leases = new Set<Lease>()
  let observe: ((event: WsEvent) => void) | undefined
  let unwatch: (() => void) | undefined

  function take(message: BusMessage, deliver: (message: RoomMessage) => void): void {
    const { headers } = message
    if (headers?.get('Ws-Origin') === origin) return
    const opcode = headers?.get('Ws-Opcode')
    // Lent for the call; the room keeps it until the last member has it.
    const payload = new Uint8Array(message.payload)
    const isText = opcode !== 'binary' && isUtf8(payload)
    if (opcode === 'text' && !isText) {
      counts.malformed += 1
      return
    }
    counts.received += 1
    deliver({ payload, binary: !isText, except: headers?.get('Ws-Except') })
  }

  return {
    delivers: 'remote',
    subscribe(room, deliver): RoomSubscription {
      const lease = upstreams.listen(roomSubject(prefix, room), {
        message: (message) => take(message, deliver),
        failed: (error) => observe?.({ type: 'room.failed', room, error }),
      })
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
    },
    publish(room, message) {
      const subject = roomSubject(prefix, room)
      try {
        writer.addEncoded(message.binary ? binary : text)
        if (message.except !== undefined) writer.add('Ws-Except', message.except)
        bus.publish(subject, message.payload, { headers: writer.block() })
      } catch (error) {
        // What was written so far must not begin the next block.
        writer = new HeaderWriter()
        throw busFault(error)
      }
      counts.sent += 1
    },
    mount(site) {
      if (observe !== undefined)
        throw new TypeError('roomBus: this natsRoomBus() has a gateway already; make another one')
      observe = site.observe
      unwatch = watchBus(bus, observe)
    },
    async ready() {
      await connected()
      await bus.flush()
    },
    stats: () => families(counts),
    close() {
      unwatch?.()
      for (const lease of leases) lease.close()
      leases.clear()
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
