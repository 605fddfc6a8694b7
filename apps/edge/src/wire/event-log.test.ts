// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { createLog } from '../log.ts'
import { wireEventLog } from './event-log.ts'

type Line = Readonly<Record<string, unknown>>

function logged(
  level: 'debug' | 'info',
  isAccessLogged = true,
): { readonly lines: Line[]; readonly log: ReturnType<typeof wireEventLog> } {
  const lines: Line[] = []
  const log = createLog(
    { level, format: 'json', access: true, redact: [] },
    { write: (line) => void lines.push(JSON.parse(line)) },
  )
  return { lines, log: wireEventLog(log, isAccessLogged) }
}

const who = { connection: 'c1', ip: '192.0.2.7' }
const denied = { type: 'operation.denied', by: 'permission', rule: 'permissions', dryRun: false, verb: 'PUB' } as const
const closed = {
  type: 'connection.closed',
  cause: 'client_closed',
  text: undefined,
  durationMs: 5,
  messagesIn: 1,
  messagesOut: 2,
  bytesIn: 3,
  bytesOut: 4,
  denied: 0,
} as const

describe('the log of the NATS listener', () => {
  it('has one line for a connection, unless access lines are off', () => {
    const [on, off] = [logged('info'), logged('info', false)]
    for (const { log } of [on, off]) log({ ...closed, ...who })
    expect(on.lines).toMatchObject([{ level: 'info', surface: 'wire', cause: 'client_closed', bytesOut: 4, ...who }])
    expect(off.lines).toEqual([])
  })

  it('cuts what clients may make long, and keeps their line ends out', () => {
    const { lines, log } = logged('info')
    log({ ...denied, ...who, subject: `a.${'x'.repeat(4000)}` })
    log({ ...denied, ...who, subject: 'a\n{"level":"fatal"}' })
    expect(String(lines[0]?.['subject'])).toHaveLength(128)
    expect(lines[1]).toMatchObject({ level: 'info', subject: 'a\n{"level":"fatal"}' })
    expect(lines).toHaveLength(2)
  })

  it('has at most 100 lines a second, and says how many it left out', async () => {
    const { lines, log } = logged('info')
    for (let i = 0; i < 1000; i++) log({ ...denied, ...who, subject: 'a' })
    expect(lines.length).toBeGreaterThanOrEqual(100)
    // More than half of them would take a pause of four seconds.
    expect(lines.length).toBeLessThan(500)
    const before = lines.length
    for (const end = performance.now() + 5000; lines.length === before && performance.now() < end;) {
      await new Promise((resolve) => setImmediate(resolve))
      log({ ...denied, ...who, subject: 'b' })
    }
    const leftOut = lines.reduce((sum, line) => sum + Number(line['leftOut'] ?? 0), 0)
    expect(before + leftOut).toBeGreaterThanOrEqual(1000)
  })

  it('tells a stack only where a defect may be behind it', () => {
    const { lines, log } = logged('info')
    log({ type: 'backend.failed', backend: 'b', error: new Error('connect ECONNREFUSED'), ...who })
    log({ type: 'hook.failed', hook: 'onInfo', error: new TypeError('defect'), ...who })
    expect(lines[0]).toMatchObject({ level: 'warn', reason: 'connect ECONNREFUSED' })
    expect(lines[0]).not.toHaveProperty('err')
    expect(lines[1]).toMatchObject({ level: 'error', err: { message: 'defect', stack: expect.any(String) } })
  })

  it('tells every subscription and login at level debug only', () => {
    const [info, debug] = [logged('info'), logged('debug')]
    for (const { log } of [info, debug]) {
      log({ type: 'subscription.added', verb: 'SUB', subject: 'a', ...who })
      log({ type: 'auth.passed', name: 'app', ...who })
    }
    expect(info.lines).toEqual([])
    expect(debug.lines).toMatchObject([{ msg: 'subscribed' }, { msg: 'login passed on', name: 'app' }])
  })
})
