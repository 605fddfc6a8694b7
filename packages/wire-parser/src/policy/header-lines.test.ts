// SPDX-License-Identifier: Apache-2.0
import { array, assert, constantFrom, property } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { HeaderBlock } from '../headers.ts'
import { HeaderLines } from './header-lines.ts'

const nothing = new Uint8Array(0)

function without(block: string, name: string): string {
  const lines = new HeaderLines(Buffer.from(block, 'latin1'))
  lines.remove((found) => found === name)
  return Buffer.from(lines.block(nothing)).toString('latin1')
}

describe('HeaderLines', () => {
  it.each([
    ['a line', 'NATS/1.0\r\nA: 1\r\nX: 2\r\nB: 3\r\n\r\n', 'NATS/1.0\r\nA: 1\r\nB: 3\r\n\r\n'],
    ['another case', 'NATS/1.0\r\nx: 2\r\nA: 1\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['blanks around the name', 'NATS/1.0\r\n x \t: 2\r\nA: 1\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['lines it goes on in', 'NATS/1.0\r\nX: 2\r\n more\r\n\tand more\r\nA: 1\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['a line behind LF', 'NATS/1.0\r\nA: 1\nX: 2\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['a line behind CR', 'NATS/1.0\r\nA: 1\rX: 2\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['a line behind the empty line', 'NATS/1.0\r\nA: 1\r\n\r\nX: 2\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['every one of several', 'NATS/1.0\r\nX: 1\r\nA: 1\r\nX: 2\r\nX:3\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['nothing of a status', 'NATS/1.0 503 No\r\nX: 1\r\n\r\n', 'NATS/1.0 503 No\r\n\r\n'],
    ['a block of nothing else', 'NATS/1.0\r\nX: 1\r\n\r\n', ''],
    ['a block without a version', 'X: 1\r\nA: 1\r\n\r\n', 'NATS/1.0\r\nA: 1\r\n\r\n'],
    ['an end that is cut off', 'NATS/1.0\r\nA: 1\r\nX', 'NATS/1.0\r\nA: 1\r\n\r\n'],
  ])('removes %s', (_name, block, rest) => {
    expect(without(block, 'x')).toBe(rest)
  })

  it('leaves nothing under a removed name that any reader would find', () => {
    const piece = constantFrom('X', 'x', 'A', ': ', ':', ' ', '\t', '\r', '\n', '\r\n', '1', 'NATS/1.0', '\r\n\r\n')
    assert(
      property(array(piece, { maxLength: 30 }), (pieces) => {
        const rest = without(`NATS/1.0\r\n${pieces.join('')}`, 'x')
        // Readers that split at CR LF, at LF, and at either alone; that trim names, or do not stop at an empty line.
        for (const split of [/\r\n/, /\n/, /\r\n|\r|\n/]) {
          const names = rest
            .split(split)
            .slice(1)
            .map((line) => line.split(':'))
          for (const [name = '', ...value] of names) {
            if (value.length > 0) expect(name.trim().toLowerCase()).not.toBe('x')
          }
        }
        expect(HeaderBlock.fromBytes(Buffer.from(rest, 'latin1')).has('X')).toBe(false)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
