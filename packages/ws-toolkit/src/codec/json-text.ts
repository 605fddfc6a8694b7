// SPDX-License-Identifier: Apache-2.0
import { readUtf8 } from '../utf8.ts'
import { WsError } from '../ws-error.ts'

/** What a JSON message may hold. */
export interface JsonLimits {
  /** Levels of arrays and objects. Default 64. */
  readonly maxDepth?: number
  /** Members of all objects together. Default 10,000. */
  readonly maxKeys?: number
}

export type ResolvedJsonLimits = Readonly<Required<JsonLimits>>

/** A value that is JSON text already: put into an answer as it is. */
export class JsonText {
  readonly text: string

  /** `text` must be one JSON value; nothing checks it again. */
  constructor(text: string) {
    this.text = text
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

// Own members of these names survive parsing, and pollute whatever they are assigned to later.
const refusedKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const shortestRefused = 9
const longestRefused = 11

/** Checks the limits and fills in the defaults; throws RangeError naming the option. */
export function resolveJsonLimits(limits: JsonLimits): ResolvedJsonLimits {
  return Object.freeze({
    maxDepth: positive('maxDepth', limits.maxDepth ?? 64),
    maxKeys: positive('maxKeys', limits.maxKeys ?? 10_000),
  })
}

/** Parses a JSON message; throws WsError `parse_error` where it is none, and `invalid_request` where it holds too much. */
export function parseJson(bytes: Buffer, limits: ResolvedJsonLimits): unknown {
  // Before parsing: 200,000 levels would parse, and overflow whoever walks them.
  checkShape(bytes, limits)
  try {
    return JSON.parse(readUtf8(bytes)) as unknown
  } catch (cause) {
    throw new WsError('parse_error', { message: 'the message is not JSON', cause })
  }
}

/** Writes a value as JSON; throws TypeError for what has no JSON. */
export function jsonOf(value: unknown): string {
  if (value instanceof JsonText) return value.text
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`a value of type ${typeof value} cannot be sent as JSON`)
  return text
}

function checkShape(bytes: Buffer, { maxDepth, maxKeys }: ResolvedJsonLimits): void {
  const end = bytes.length
  let depth = 0
  let keys = 0
  let at = 0
  let stringStart = -1
  let stringEnd = -1
  while (at < end) {
    switch (bytes[at]) {
      case QUOTE:
        stringStart = at
        stringEnd = endOfString(bytes, at + 1)
        at = stringEnd
        break
      case COLON:
        keys += 1
        if (keys > maxKeys) throw new WsError('invalid_request', { message: `more than ${maxKeys} members` })
        checkKey(bytes, stringStart, stringEnd)
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1
        if (depth > maxDepth) throw new WsError('invalid_request', { message: `nested deeper than ${maxDepth} levels` })
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth -= 1
        break
      default:
    }
    at += 1
  }
}

/** The index of the closing quote, or of the end. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}

function checkKey(bytes: Buffer, start: number, end: number): void {
  const length = end - start - 1
  // Escaped, each of its characters may take six bytes.
  if (start === -1 || length < shortestRefused || length > longestRefused * 6) return
  const raw = bytes.toString('latin1', start + 1, end)
  const key = raw.includes('\\') ? unescaped(raw) : raw
  if (refusedKeys.has(key)) throw new WsError('invalid_request', { message: `a member may not be called ${key}` })
}

function unescaped(raw: string): string {
  try {
    return String(JSON.parse(`"${raw}"`))
  } catch {
    // The whole will not parse either.
    return raw
  }
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new RangeError(`${name}: ${value} is not a positive whole number`)
}
