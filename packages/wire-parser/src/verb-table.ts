// SPDX-License-Identifier: Apache-2.0
import { Verb, type VerbCode } from './operation.ts'

/** Who is speaking on a connection. */
export type Side = 'client' | 'server'

/**
 * A value of a verb table below this is a place inside a word. From here on it is a verb with an argument, by
 * `value - argumentVerb`; from `lineVerb` on one whose line may hold anything, by `value - lineVerb`.
 */
export const argumentVerb = 64
export const lineVerb = 128

type Word = readonly [word: string, value: number]

const withArgument = (word: string, verb: VerbCode): Word => [word, argumentVerb + verb]
const withLine = (word: string, verb: VerbCode): Word => [word, lineVerb + verb]

const connect = withArgument('CONNECT', Verb.CONNECT)
const fromBoth = [
  withArgument('INFO', Verb.INFO),
  withLine('PING', Verb.PING),
  withLine('PONG', Verb.PONG),
  withLine('+OK', Verb.OK),
]

// A verb that needs a blank is known with the blank behind it. A server may say -ERR without a text.
const clientWords = [
  withArgument('PUB ', Verb.PUB),
  withArgument('HPUB ', Verb.HPUB),
  withArgument('SUB ', Verb.SUB),
  withArgument('UNSUB ', Verb.UNSUB),
  withArgument('-ERR ', Verb.ERR),
  connect,
  ...fromBoth,
]
const serverWords = [
  withArgument('MSG ', Verb.MSG),
  withArgument('HMSG ', Verb.HMSG),
  withLine('-ERR', Verb.ERR),
  ...fromBoth,
]

/**
 * What each side may say as a table: `table[place * 256 + byte]` is the next place, or a verb, or 0 for a byte that no verb
 * has there. Place 0 is in front of the first letter. Letters count in either case, a tab as a blank.
 */
export const verbTables: Readonly<Record<Side, Uint8Array>> = {
  client: verbTable(clientWords),
  server: verbTable(serverWords),
}

/** The table of a client that has to begin with CONNECT. */
export const connectTable: Uint8Array = verbTable([connect])

function verbTable(words: readonly Word[]): Uint8Array {
  const rows: number[][] = [emptyRow()]
  for (const [word, value] of words) {
    let place = 0
    for (const letter of word.slice(0, -1)) {
      const row = rows[place] ?? []
      const next = row[letter.charCodeAt(0)] || rows.push(emptyRow()) - 1
      enter(row, letter, next)
      place = next
    }
    enter(rows[place] ?? [], word.slice(-1), value)
  }
  return Uint8Array.from(rows.flat())
}

function emptyRow(): number[] {
  return Array.from({ length: 256 }, () => 0)
}

function enter(row: number[], letter: string, value: number): void {
  const spellings = letter === ' ' ? [' ', '\t'] : [letter, letter.toLowerCase()]
  for (const spelling of spellings) row[spelling.charCodeAt(0)] = value
}
