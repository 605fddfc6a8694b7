// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { eventItems, lineItems, type ItemReader } from './line-reader.ts'

const runs = { numRuns: inject('propertyRuns') }

type MakeReader = (maxBytes: number, take: (item: Buffer) => void) => ItemReader

function itemsOf(make: MakeReader, chunks: readonly Buffer[], maxBytes = 10_000): string[] {
  const items: string[] = []
  const reader = make(maxBytes, (item) => items.push(item.toString()))
  for (const chunk of chunks) reader.push(chunk)
  reader.end()
  return items
}

function itemsOfText(make: MakeReader, text: string): string[] {
  return itemsOf(make, [Buffer.from(text)])
}

/** Cuts bytes into pieces, empty ones included. */
function cut(text: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text)
  const edges = [0, ...at.map((edge) => edge % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
}

const line = fc.stringMatching(/^[^\r\n]{1,20}$/)

describe('lineItems', () => {
  it.each([
    ['', []],
    ['\n', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\nb', ['a', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['\n\n a \n \t\n', [' a ']],
    ['a\rb\n', ['a\rb']],
  ])('cuts %j into %j', (text, items) => {
    expect(itemsOfText(lineItems, text)).toStrictEqual(items)
  })

  it('finds the same lines however they are cut', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, at) => {
        const text = lines.join('\n')
        expect(itemsOf(lineItems, cut(text, at))).toStrictEqual(itemsOfText(lineItems, text))
        expect(itemsOf(lineItems, cut(text, at))).toStrictEqual(lines.filter((text) => !/^[ \t]*$/.test(text)))
      }),
      runs,
    )
  })

  it('takes a line of exactly its limit, in one piece or many', () => {
    const bytes = Buffer.from(`${'x'.repeat(10)}\n`)
    expect(itemsOf(lineItems, [bytes], 10)).toHaveLength(1)
    expect(
      itemsOf(
        lineItems,
        [...bytes].map((byte) => Buffer.from([byte])),
        10,
      ),
    ).toHaveLength(1)
    for (const pieces of [[`${'x'.repeat(11)}\n`], ['xxxxxx', 'xxxxx'], ['xxxxxx', 'xxxxx\n']]) {
      expect(() =>
        itemsOf(
          lineItems,
          pieces.map((piece) => Buffer.from(piece)),
          10,
        ),
      ).toThrow('too large')
    }
  })
})

describe('eventItems', () => {
  it.each([
    ['', []],
    ['data: a\n\n', ['a']],
    ['data: a', []],
    ['data: a\n', []],
    ['data:a\n\n', ['a']],
    ['data:  a\n\n', [' a']],
    ['data\n\n', ['']],
    ['data:\n\n', ['']],
    ['data: a\ndata: b\n\n', ['a\nb']],
    ['data: a\ndata\ndata: b\n\n', ['a\n\nb']],
    ['data: a\r\n\r\ndata: b\r\r\ndata: c\n\r', ['a', 'b', 'c']],
    [': comment\n\n', []],
    ['event: x\nid: 1\nretry: 2\n\n', []],
    ['dataset: x\n\n', []],
    [' data: x\n\n', []],
    ['event: x\ndata: a\nid: 1\n\ndata: b\n\n', ['a', 'b']],
    ['data: a: b\n\n', ['a: b']],
  ])('finds in %j the data %j', (text, items) => {
    expect(itemsOfText(eventItems, text)).toStrictEqual(items)
  })

  it('finds the same events however they are cut, and whatever ends their lines', () => {
    const ends = fc.constantFrom('\n', '\r', '\r\n')
    fc.assert(
      fc.property(
        fc.array(fc.array(line, { minLength: 1, maxLength: 3 })),
        ends,
        fc.array(fc.nat()),
        (events, end, at) => {
          const text = events.map((lines) => lines.map((value) => `data: ${value}${end}`).join('') + end).join('')
          expect(itemsOf(eventItems, cut(text, at))).toStrictEqual(events.map((lines) => lines.join('\n')))
        },
      ),
      runs,
    )
  })

  it('limits an event of many lines', () => {
    const text = 'data: xxxx\n'.repeat(4)
    expect(() => itemsOf(eventItems, [Buffer.from(text)], 15)).toThrow('too large')
    expect(itemsOf(eventItems, [Buffer.from(`${text}\n`)], 20)).toHaveLength(1)
  })
})
