// SPDX-License-Identifier: Apache-2.0
import type { WsEvent } from '@nats-edge/ws-toolkit'
import { describe, expect, it } from 'vitest'
import { createLog } from '../log.ts'
import { eventLog } from './event-log.ts'

function logged(events: readonly WsEvent[]): readonly Readonly<Record<string, unknown>>[] {
  const lines: Readonly<Record<string, unknown>>[] = []
  const config = { level: 'debug', format: 'json', access: true, redact: [] } as const
  const tell = eventLog(createLog(config, { write: (line) => void lines.push(JSON.parse(line)) }))
  for (const event of events) tell(event)
  return lines
}

const channel = '/chat/:room'
const closed = { channel, id: 'a', code: 1012, wasClean: true, ms: 5, bytesIn: 1, bytesOut: 2 }

describe('eventLog', () => {
  it.each([
    ['error', 'a handler threw', { type: 'handler.failed', channel, handler: 'handler', error: new Error('broken') }],
    ['warn', 'a circuit changed', { type: 'breaker.changed', channel, route: 'a', state: 'open' }],
    ['info', 'a circuit changed', { type: 'breaker.changed', channel, route: 'a', state: 'closed' }],
    ['warn', 'rooms do not reach other edges', { type: 'room.failed', room: 'secret', error: new Error('away') }],
    ['warn', 'frames go through ws, not straight to sockets', { type: 'transport.fallback', reason: 'another ws' }],
    ['info', 'clients were sent away', { type: 'drain.finished', closed: 3, terminated: 1, ms: 7.4 }],
    ['debug', 'upgrade.refused', { type: 'upgrade.refused', channel, code: 'foreign_origin', status: 403 }],
    ['debug', 'connection.closed', { type: 'connection.closed', ...closed }],
    ['debug', 'limit.hit', { type: 'limit.hit', channel, id: 'a', limit: 'rooms' }],
  ] as const)('writes at level %s: %s', (level, msg, event) => {
    const [line, ...others] = logged([event])
    expect(line).toMatchObject({ level, msg, surface: 'ws' })
    expect(others).toEqual([])
    expect(JSON.stringify(line)).not.toContain('secret')
  })

  it('says nothing of single requests and of who is in which room', () => {
    const finished = { channel, route: 'a', code: 'ok', ms: 1, bytesIn: 1, bytesOut: 1 } as const
    expect(
      logged([
        { type: 'request.finished', ...finished },
        { type: 'room.joined', room: 'secret', id: 'a', size: 1 },
        { type: 'heartbeat.rtt', channel, id: 'a', ms: 1 },
      ]),
    ).toEqual([])
  })

  it('says once that rooms are cut off, until the broker has been back', () => {
    const failed = { type: 'room.failed', room: 'lobby', error: new Error('away') } as const
    const lines = logged([failed, failed, { type: 'connection.lost' }, { type: 'connection.restored' }, failed, failed])
    expect(lines.map(({ msg }) => msg)).toEqual(['rooms do not reach other edges', 'rooms do not reach other edges'])
  })
})
