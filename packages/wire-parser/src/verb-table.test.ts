// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, record } from './conformance/recording.test-support.ts'
import { Verb, type VerbCode, verbName } from './operation.ts'
import { Parser } from './parser.ts'
import { argumentVerb, connectTable, lineVerb, type Side, verbTables } from './verb-table.ts'

const said: Record<Side, [word: string, verb: VerbCode, needsArgument: boolean][]> = {
  client: [
    ['PUB ', Verb.PUB, true],
    ['HPUB ', Verb.HPUB, true],
    ['SUB ', Verb.SUB, true],
    ['UNSUB ', Verb.UNSUB, true],
    ['CONNECT', Verb.CONNECT, true],
    ['INFO', Verb.INFO, true],
    ['-ERR ', Verb.ERR, true],
    ['PING', Verb.PING, false],
    ['PONG', Verb.PONG, false],
    ['+OK', Verb.OK, false],
  ],
  server: [
    ['MSG ', Verb.MSG, true],
    ['HMSG ', Verb.HMSG, true],
    ['INFO', Verb.INFO, true],
    ['-ERR', Verb.ERR, false],
    ['PING', Verb.PING, false],
    ['PONG', Verb.PONG, false],
    ['+OK', Verb.OK, false],
  ],
}
const sides = ['client', 'server'] as const
const rows = sides.flatMap((side) =>
  said[side].map(([word, verb, needsArgument]) => ({ side, word, verb, needsArgument })),
)

function walk(table: Uint8Array, word: string): number {
  let place = 0
  for (const byte of bytesOf(word)) place = table[place * 256 + byte] ?? 0
  return place
}

/** Every way to write a word in upper and lower case. */
function spellings(word: string): string[] {
  if (word === '') return ['']
  const letters = [...new Set([word.charAt(0), word.charAt(0).toLowerCase()])]
  return spellings(word.slice(1)).flatMap((rest) => letters.map((letter) => letter + rest))
}

describe.each(rows)('$word from a $side', ({ side, word, verb, needsArgument }) => {
  const table = verbTables[side]

  it('is known in either case of every letter', () => {
    const value = (needsArgument ? argumentVerb : lineVerb) + verb
    const places = spellings(word).map((spelling) => walk(table, spelling))
    expect(new Set(places)).toEqual(new Set([value]))
    if (word.endsWith(' ')) expect(walk(table, `${word.trimEnd()}\t`)).toBe(value)
  })

  it('is wrong with any other byte at any place, at that byte', () => {
    const misread: string[] = []
    for (let at = 0; at < word.length; at++) {
      const others = rows.filter((row) => row.side === side && row.word.startsWith(word.slice(0, at)))
      const right = new Set(others.flatMap((row) => spellings(row.word).map((spelling) => spelling.charAt(at))))
      if (right.has(' ')) right.add('\t')
      for (let byte = 0; byte < 256; byte++) {
        const letter = String.fromCharCode(byte)
        const start = word.slice(0, at) + letter
        const isRefused = record({ side }, [bytesOf(start)]).error === 'unknown_operation'
        if (isRefused === right.has(letter)) misread.push(start)
      }
    }
    expect(misread).toEqual([])
  })
})

describe.each(sides)('prefixes of what a %s says', (side) => {
  it('are no operation', () => {
    for (const [word] of said[side]) {
      const letters = word.trimEnd()
      for (let end = 1; end < letters.length; end++) {
        const input = `${letters.slice(0, end)}\r\n`
        expect(record({ side }, [bytesOf(input)]).error, input).toBe('unknown_operation')
      }
    }
  })

  it('with a letter, a digit or a line end behind them are none where a blank belongs', () => {
    for (const [word] of said[side].filter(([word]) => word.endsWith(' '))) {
      for (const behind of ['S', 's', '1', '\r', '\n', '\u0000', '{']) {
        expect(record({ side }, [bytesOf(word.trimEnd() + behind)]).error).toBe('unknown_operation')
      }
    }
  })
})

describe('a client that has to begin with CONNECT', () => {
  it('finds nothing else in its table', () => {
    expect(walk(connectTable, 'cOnNeCt')).toBe(argumentVerb + Verb.CONNECT)
    for (const [word] of said.client.filter(([word]) => word !== 'CONNECT')) expect(walk(connectTable, word)).toBe(0)
  })

  it.each(['PING\r\n', 'PUB a 0\r\n\r\n', '\r\n', 'X', '+', '\u0000'])(
    'is refused at the first byte of %j',
    (input) => {
      expect(record({ side: 'client', connectRequired: true }, [bytesOf(input)]).error).toBe('authorization')
    },
  )

  it.each(['CX', 'CONNEX', 'coNN '])('is refused as any other after the first byte of %j', (input) => {
    expect(record({ side: 'client', connectRequired: true }, [bytesOf(input)]).error).toBe('unknown_operation')
  })

  it('is told so also where a part of something else has come', () => {
    const codes: string[] = []
    const parser = new Parser(
      { side: 'client' },
      { operation: () => codes.push('operation'), error: (error) => void codes.push(error.code) },
    )
    parser.push(bytesOf('PI'))
    parser.setConnectRequired(true)
    parser.push(bytesOf('NG\r\n'))
    expect(codes).toEqual(['authorization'])
  })

  it('may go on with CONNECT once anything is allowed', () => {
    const codes: string[] = []
    const parser = new Parser(
      { side: 'client', connectRequired: true },
      { operation: (view) => void codes.push(verbName(view.verb)), error: (error) => void codes.push(error.code) },
    )
    parser.push(bytesOf('CONN'))
    parser.setConnectRequired(false)
    parser.push(bytesOf('ECT {}\r\nPING\r\n'))
    expect(codes).toEqual(['CONNECT', 'PING'])
  })

  it('may say anything once that is no longer required', () => {
    const lines: number[] = []
    const parser = new Parser(
      { side: 'client', connectRequired: true },
      {
        operation(view) {
          lines.push(view.verb)
          parser.setConnectRequired(false)
        },
        error: (error) => expect.fail(error.message),
      },
    )
    parser.push(bytesOf('connect {}\r\nPING\r\n'))
    expect(lines).toEqual([Verb.CONNECT, Verb.PING])
  })
})
