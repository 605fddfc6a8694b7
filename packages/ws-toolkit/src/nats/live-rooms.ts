// SPDX-License-Identifier: Apache-2.0
import { originHeader, roomHeaders } from './room-copy.ts'
import type { RoomLink, RoomSite } from './room-link.ts'
import { roomSubject } from './room-subject.ts'

/** Carries what is said over core NATS, to all servers but the one that says it. */
export function liveRooms(site: RoomSite): RoomLink {
  const { bus, prefix, origin } = site
  return {
    subscribe(room, deliver) {
      const lease = site.listen(roomSubject(prefix, room), room, (message) => {
        if (message.headers?.get(originHeader) === origin) return
        const copy = site.read(message)
        if (copy !== undefined) deliver(copy)
      })
      return {
        get ready() {
          return lease.ready() ?? Promise.resolve()
        },
        close: () => lease.close(),
      }
    },
    publish(room, message) {
      bus.publish(roomSubject(prefix, room), message.payload, { headers: roomHeaders(message, origin) })
    },
  }
}
