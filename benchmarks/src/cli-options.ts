// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util'

export interface CliOptions {
  /** Names of rows; undefined: all. */
  readonly rows: readonly string[] | undefined
  readonly rounds: number
  readonly seconds: number
  readonly gate: boolean
  readonly json: string | undefined
  readonly profile: string | undefined
  readonly list: boolean
  readonly help: boolean
}

export const usage: string = `Usage: npm run bench -- [options] [row ...]

Starts a broker, the servers and the loads by itself, runs both sides of each comparison in turns and prints their
CPU seconds per operation, rate and p99 as ratios.

  --rows a,b      run these rows only; a row, or the first words of the names of several: wire, wire-tcp
  --rounds N      rounds per side (default 5)
  --seconds S     load per side and round, in seconds (default 3)
  --gate          exit with 1 if a gate fails
  --json FILE     also write everything measured to FILE
  --profile DIR   leave a .cpuprofile of every Node process in DIR (figures are then not comparable)
  --list          name the rows and leave
`

/** Throws TypeError or RangeError with a text for the person who typed it. */
export function parseCliOptions(args: readonly string[]): CliOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      gate: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    rows:
      values.rows === undefined && positionals.length === 0 ? undefined : names([values.rows ?? '', ...positionals]),
    rounds: wholeNumber('--rounds', values.rounds, 1000),
    seconds: positiveNumber('--seconds', values.seconds, 600),
    gate: values.gate,
    json: values.json,
    profile: values.profile,
    list: values.list,
    help: values.help,
  }
}

function names(texts: readonly string[]): string[] {
  const list = texts
    .flatMap((text) => text.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (list.length === 0) throw new TypeError('--rows needs at least one name; --list prints them')
  return list
}

function wholeNumber(flag: string, text: string, highest: number): number {
  const value = positiveNumber(flag, text, highest)
  if (!Number.isInteger(value)) throw new RangeError(`${flag} ${text}: must be a whole number`)
  return value
}

function positiveNumber(flag: string, text: string, highest: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!(value > 0 && value <= highest)) throw new RangeError(`${flag} ${text}: must be above 0 and at most ${highest}`)
  return value
}
