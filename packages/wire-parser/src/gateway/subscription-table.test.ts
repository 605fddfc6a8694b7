// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { OperationView } from '../operation.ts'
import { viewOf } from './seen-operation.ts'
import { type Subscription, SubscriptionTable } from './subscription-table.ts'

const sub = (sid: string, subject = 'a'): OperationView => viewOf({ verb: 'SUB', subject, sid }, 'client')
const msg = (sid: string): OperationView =>
  viewOf({ verb: 'MSG', subject: 'a', sid, payload: new Uint8Array(0) }, 'server')

function added(table: SubscriptionTable, sid: string): Subscription {
  const subscription = table.add(sub(sid), false)
  if (subscription === undefined) throw new Error(`${sid} was there`)
  return subscription
}

describe('SubscriptionTable', () => {
  it.each(['1', '0', '01', '007', '123456789', '1234567890', 'a-Z_9:/', '\u00e9', '1 '.trim(), '-1', '1e3'])(
    'finds the subscription of sid %s by its bytes',
    (sid) => {
      const table = new SubscriptionTable()
      const others = ['1', '0', '01', '007', '10', '123456789', 'a', 'x'].filter((other) => other !== sid)
      for (const other of others) table.add(sub(other, `other.${other}`), false)
      const subscription = added(table, sid)
      expect(table.find(msg(sid))).toBe(subscription)
      for (const other of others) expect(table.find(msg(other))?.subject).toBe(`other.${other}`)
      expect(Buffer.from(subscription.sid).toString()).toBe(sid)
    },
  )

  it('keeps the first of two with one sid', () => {
    const table = new SubscriptionTable()
    const first = added(table, '1')
    expect(table.add(sub('1', 'b'), false)).toBeUndefined()
    expect(table.find(msg('1'))).toBe(first)
    expect(table.size).toBe(1)
  })

  it('keeps its own copy of a sid, whatever becomes of the read buffer', () => {
    const table = new SubscriptionTable()
    const view = sub('77')
    const subscription = table.add(view, false)
    view.bytes.fill(0)
    expect(Buffer.from(subscription?.sid ?? '').toString()).toBe('77')
  })

  it('finds one that leaves until a PONG proves that nothing more comes', () => {
    const table = new SubscriptionTable()
    const subscription = added(table, '1')
    table.leave(subscription, 3)
    table.leave(subscription, 9)
    expect(table.size).toBe(0)
    expect([...table.values()]).toEqual([])
    table.ponged(3)
    expect(table.find(msg('1'))).toBe(subscription)
    table.ponged(4)
    expect(table.find(msg('1'))).toBeUndefined()
  })

  it('gives the sid of one that leaves to a new one, which stays', () => {
    const table = new SubscriptionTable()
    table.leave(added(table, '1'), 0)
    const second = added(table, '1')
    table.ponged(1)
    expect(table.find(msg('1'))).toBe(second)
    table.delete(second)
    expect(table.find(msg('1'))).toBeUndefined()
    expect(table.size).toBe(0)
  })

  it('forgets those that left longest ago where no PONG ever comes', () => {
    const table = new SubscriptionTable()
    for (let i = 0; i < 3000; i++) table.leave(added(table, `${i}`), 0)
    expect(table.find(msg('0'))).toBeUndefined()
    expect(table.find(msg('2999'))).toBeDefined()
    expect(table.size).toBe(0)
  })

  it('forgets what the server refuses, by subject and queue, and nothing else', () => {
    const table = new SubscriptionTable()
    for (const sid of ['1', '2', '3']) added(table, sid)
    table.add(sub('4', 'b'), false)
    const queued = table.add(viewOf({ verb: 'SUB', subject: 'b', queue: 'q', sid: '5' }, 'client'), false)
    table.leave(added(table, '6'), 0)
    table.refused('a', undefined)
    expect([...table.values()].map(({ sid }) => Buffer.from(sid).toString())).toEqual(['4', '5'])
    // Messages of one that leaves may be on their way from before.
    expect(table.find(msg('6'))).toBeDefined()
    table.refused('b', 'other')
    added(table, '7')
    table.refused('a', undefined)
    table.refused('b', undefined)
    expect([...table.values()]).toEqual([queued])
    table.refused('b', 'q')
    table.refused('b', 'q')
    expect(table.size).toBe(0)
  })

  // A look at all of them for each refusal takes minutes.
  it('hears of a hundred thousand refusals without a look at what is subscribed to', () => {
    const table = new SubscriptionTable()
    for (let sid = 0; sid < 10_000; sid += 1) table.add(sub(`${sid}`, `subject.${sid}`), false)
    const refused = sub('refused', 'no')
    for (let count = 0; count < 100_000; count += 1) {
      table.add(refused, false)
      table.refused('no', undefined)
    }
    expect(table.size).toBe(10_000)
  })
})
