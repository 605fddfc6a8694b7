// SPDX-License-Identifier: Apache-2.0
import { Verb, type VerbCode } from './operation.ts'

/** Who is speaking on a connection. */
export type Side = 'client' | 'server'

/** Values of a verb table from here on are a verb, by `value - foundVerb`; lower ones are places inside a word. */
export const foundVerb = 128

// A verb with an argument is known with the blank behind it. Behind CONNECT and INFO none is needed; behind PING, PONG and
// +OK anything may follow up to the line end. "-ERR" may come without a text, but only from a server.
const words: Readonly<Record<Side, readonly (readonly [word: string, verb: VerbCode])[]>> = {
  client: [
    ['PUB ', Verb.PUB],
    ['HPUB ', Verb.HPUB],
    ['SUB ', Verb.SUB],
    ['UNSUB ', Verb.UNSUB],
    ['CONNECT', Verb.CONNECT],
    ['INFO', Verb.INFO],
    ['-ERR ', Verb.ERR],
    ['PING', Verb.PING],
    ['PONG', Verb.PONG],
    ['+OK', Verb.OK],
  ],
  server: [
    ['MSG ', Verb.MSG],
    ['HMSG ', Verb.HMSG],
    ['INFO', Verb.INFO],
    ['-ERR', Verb.ERR],
    ['PING', Verb.PING],
    ['PONG', Verb.PONG],
    ['+OK', Verb.OK],
  ],
}

/**
 * The verbs of one side as a table: `table[place * 256 + byte]` is the next place, or a verb, or 0 for a byte that no verb
 * has there. Place 0 is in front of the first letter. Letters count in either case, a tab as a blank.
 */
export function verbTable(side: Side): Uint8Array {
  const rows: number[][] = [emptyRow()]
  for (const [word, verb] of words[side]) {
    let place = 0
    for (const letter of word.slice(0, -1)) {
      const row = rows[place] ?? []
      const next = row[letter.charCodeAt(0)] || rows.push(emptyRow()) - 1
      enter(row, letter, next)
      place = next
    }
    enter(rows[place] ?? [], word.slice(-1), foundVerb + verb)
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
