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
})
