// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util'
import type { Assignment } from '../config/assignment.ts'
import { suggest } from '../config/suggest.ts'

/** A wrong command line; the message says what is wrong and what was probably meant. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The flags a command takes. */
export interface FlagTable {
  readonly [name: string]: { readonly type: 'string' | 'boolean'; readonly short?: string; readonly multiple?: boolean }
}

export interface ParsedFlags {
  has(name: string): boolean
  text(name: string): string | undefined
  list(name: string): readonly string[]
  readonly words: readonly string[]
}

/** Reads the words after a command; throws UsageError. */
export function parseFlags(args: readonly string[], flags: FlagTable, maxWords = 0): ParsedFlags {
  const { tokens } = parseArgs({ args: [...args], options: flags, strict: false, tokens: true, allowPositionals: true })
  const values = new Map<string, string[]>()
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const flag = flags[token.name]
    if (flag === undefined) throw new UsageError(unknownFlag(token.rawName, flags))
    if (flag.type === 'boolean' && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`)
    const missing = token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))
    if (flag.type === 'string' && missing) throw new UsageError(`${token.rawName} needs a value`)
    const known = values.get(token.name) ?? []
    if (known.length > 0 && flag.multiple !== true) throw new UsageError(`${token.rawName} is given twice`)
    values.set(token.name, [...known, token.value ?? ''])
  }
  if (words.length > maxWords) throw new UsageError(`"${words[maxWords]}" is one word too many`)
  return {
    has: (name) => values.has(name),
    text: (name) => values.get(name)?.[0],
    list: (name) => values.get(name) ?? [],
    words,
  }
}

/** A port from a flag; throws UsageError. */
export function portOf(flag: string, text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new UsageError(`${flag} must be a port from 0 to 65535, not "${text}"`)
}

/** Every `--set`. */
export function assignmentsOf(flags: ParsedFlags): readonly Assignment[] {
  return flags.list('set').map((text) => ({ flag: '--set', text }))
}

function unknownFlag(rawName: string, flags: FlagTable): string {
  const known = Object.keys(flags).map((name) => `--${name}`)
  const suggestion = suggest(rawName, known)
  return `${rawName} is not a flag of this command${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`
}
