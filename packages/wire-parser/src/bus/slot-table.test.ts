// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { maxSlots, SlotTable } from './slot-table.ts'

const stem = '_INBOX.abcdefghijklmnopqrstuv.'
const nothing = (): void => undefined
const found = (table: SlotTable, subject: string): number => table.find(Buffer.from(subject))

describe('SlotTable', () => {
  it('finds the slot of a reply subject of 37 bytes', () => {
    const table = new SlotTable(stem)
    const slot = table.take(nothing, 'a', 1)
    const reply = table.replySubject(slot)
    expect(reply).toHaveLength(37)
    expect(reply.startsWith(stem)).toBe(true)
    expect(reply.slice(stem.length)).toMatch(/^[\w-]{7}$/)
    expect(found(table, reply)).toBe(slot)
  })

  it('does not find a slot by the reply subject of an earlier request', () => {
    const table = new SlotTable(stem)
    const slot = table.take(nothing, 'a', 1)
    const early = table.replySubject(slot)
    table.release(slot)
    expect(found(table, early)).toBe(-1)
    expect(table.take(nothing, 'b', 2)).toBe(slot)
    expect(found(table, early)).toBe(-1)
    expect(found(table, table.replySubject(slot))).toBe(slot)
  })

  it.each([
    '',
    stem,
    `${stem}AAA`,
    `${stem}AAAAAAAA`,
    `${stem}AAAA.AA`,
    `${stem}AAAAA A`,
    `${stem}\xffAAAAAA`,
    `${stem}_______`,
    `${stem}AABAAAA`,
  ])('finds nothing for %j', (subject) => {
    const table = new SlotTable(stem)
    table.take(nothing, 'a', 1)
    expect(table.find(Buffer.from(subject, 'latin1'))).toBe(-1)
  })

  it('gives every one of 262144 requests its own token, then none', () => {
    const table = new SlotTable('_.')
    const tokens = new Set<string>()
    for (let i = 0; i < maxSlots; i++) tokens.add(table.replySubject(table.take(nothing, 'a', i)))
    expect(tokens.size).toBe(262_144)
    expect(table.take(nothing, 'a', maxSlots)).toBe(-1)
    expect(table.size).toBe(maxSlots)
    table.release(4711)
    expect(table.take(nothing, 'a', maxSlots)).toBe(4711)
  })

  it('uses a token again only after 2^24 requests on its slot', () => {
    const table = new SlotTable(stem)
    const first = table.replySubject(table.take(nothing, 'a', 0))
    table.release(0)
    let repeated = 0
    for (let i = 1; i < 2 ** 24; i++) {
      const slot = table.take(nothing, 'a', i)
      if (slot !== 0 || table.generation(slot) === 0) repeated++
      table.release(slot)
    }
    expect(repeated).toBe(0)
    expect(table.replySubject(table.take(nothing, 'a', 2 ** 24))).toBe(first)
  }, 60_000)

  it('holds exactly the requests that wait, in their order, through any use', () => {
    const use = fc.array(fc.oneof(fc.constant('take' as const), fc.nat({ max: 50 })), { maxLength: 200 })
    fc.assert(
      fc.property(use, (steps) => {
        const table = new SlotTable(stem)
        const waiting: { slot: number; reply: string; subject: string }[] = []
        const gone: string[] = []
        for (const [mark, step] of steps.entries()) {
          if (step === 'take') {
            const subject = `s${mark % 3}`
            const slot = table.take(nothing, subject, mark)
            waiting.push({ slot, reply: table.replySubject(slot), subject })
          } else if (waiting.length > 0) {
            const [left] = waiting.splice(step % waiting.length, 1)
            if (left === undefined) continue
            table.release(left.slot)
            gone.push(left.reply)
          }
        }
        expect(table.size).toBe(waiting.length)
        expect(table.waiting()).toEqual(waiting.map(({ slot }) => slot))
        const named = waiting.filter(({ subject }) => subject === 's1').map(({ slot }) => slot)
        expect(table.waiting('s1')).toEqual(named)
        expect(waiting.map(({ reply }) => found(table, reply))).toEqual(waiting.map(({ slot }) => slot))
        expect(gone.every((reply) => found(table, reply) === -1)).toBe(true)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
