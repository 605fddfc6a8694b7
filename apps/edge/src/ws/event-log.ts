// SPDX-License-Identifier: Apache-2.0
import type { WsEvent } from '@nats-edge/ws-toolkit'
import type { Logger } from '../log.ts'

/** Makes the function that writes what happens to a log: defects as warnings, the life of connections at level debug. */
export function eventLog(log: Logger): (event: WsEvent) => void {
  // Without the broker every message of a room fails: said once, until it is back.
  let isCutOff = false
  return (event) => {
    switch (event.type) {
      case 'handler.failed':
        log.error(
          { err: event.error, surface: 'ws', channel: event.channel, handler: event.handler },
          'a handler threw',
        )
        return
      case 'transport.fallback':
        log.warn({ surface: 'ws', reason: event.reason }, 'frames go through ws, not straight to sockets')
        return
      case 'breaker.changed': {
        const { channel, route, state } = event
        log[state === 'open' ? 'warn' : 'info']({ surface: 'ws', channel, route, state }, 'a circuit changed')
        return
      }
      case 'room.failed':
        if (!isCutOff) log.warn({ surface: 'ws', err: event.error }, 'rooms do not reach other edges')
        isCutOff = true
        return
      case 'connection.restored':
        isCutOff = false
        return
      case 'drain.finished': {
        const { closed, terminated, ms } = event
        log.info({ surface: 'ws', closed, terminated, ms: Math.round(ms) }, 'clients were sent away')
        return
      }
      case 'connection.opened':
      case 'connection.closed':
      case 'upgrade.refused':
      case 'limit.hit':
      case 'heartbeat.missed':
      case 'outbound.dropped':
      case 'stream.reset': {
        const { type, ...what } = event
        log.debug({ surface: 'ws', ...what }, type)
        return
      }
      default:
    }
  }
}
