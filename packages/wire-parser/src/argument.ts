// SPDX-License-Identifier: Apache-2.0

const TAB = 9
const LF = 10
const CR = 13
const BLANK = 32

/** What `scanArgument` found; there is one, which is read before the next scan. */
export const scanned = {
  /** How many tokens the argument has; `tokens` holds the first of them. */
  count: 0,
  /** Where the argument ends: before its line end. */
  end: 0,
  bareCr: false,
}

const mostTokens = 6

/** Start and end of each token in turn. */
export const tokens: Int32Array = new Int32Array(mostTokens * 2)

/**
 * Splits the argument that begins at `start` at blanks and tabs and returns where its LF is, or -1 if that has not come.
 * `crSeparates` says what a CR inside does.
 */
export function scanArgument(bytes: Uint8Array, start: number, end: number, crSeparates: boolean): number {
  let count = 0
  let tokenStart = start
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte > BLANK) continue
    if (byte === BLANK || byte === TAB) {
      if (tokenStart < at) count = keepToken(count, tokenStart, at)
      tokenStart = at + 1
    } else if (byte === CR || byte === LF) {
      if (at === start) return scanBareCr(bytes, start, end, crSeparates)
      const lf = byte === LF ? at : at + 1
      if (lf === end) return -1
      if (bytes[lf] !== LF) return scanBareCr(bytes, start, end, crSeparates)
      scanned.count = tokenStart < at ? keepToken(count, tokenStart, at) : count
      scanned.end = at
      scanned.bareCr = false
      return lf
    }
  }
  return -1
}

function keepToken(count: number, start: number, end: number): number {
  if (count < mostTokens) {
    tokens[count * 2] = start
    tokens[count * 2 + 1] = end
  }
  return count + 1
}

/**
 * The same for an argument with CR or LF inside, as the server reads it from one read: the byte the argument begins with
 * belongs to it whatever it is, and behind any other CR the last byte before the LF is not part of it, CR or not.
 */
function scanBareCr(bytes: Uint8Array, start: number, end: number, crSeparates: boolean): number {
  const lf = bytes.indexOf(LF, start + 1)
  if (lf < 0 || lf >= end) return -1
  const cr = bytes.indexOf(CR, start + 1)
  scanned.end = cr > 0 && cr < lf ? lf - 1 : lf
  scanned.bareCr = true
  let count = 0
  let tokenStart = start
  for (let at = start; at <= scanned.end; at++) {
    if (at < scanned.end && !separates(bytes[at] as number, crSeparates)) continue
    if (tokenStart < at) count = keepToken(count, tokenStart, at)
    tokenStart = at + 1
  }
  scanned.count = count
  return lf
}

function separates(byte: number, crSeparates: boolean): boolean {
  return byte === BLANK || byte === TAB || (crSeparates && (byte === CR || byte === LF))
}

/** Reads a size as the server does: one to nine digits; -1 for anything else. */
export function parseSize(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 1 || length > 9) return -1
  let size = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 48
    if (digit < 0 || digit > 9) return -1
    size = size * 10 + digit
  }
  return size
}
