// SPDX-License-Identifier: Apache-2.0

const TAB = 9
const LF = 10
const CR = 13
const BLANK = 32
// HMSG has five; of more it matters only how many there are.
const keptTokens = 6

/** The argument of a control line, split into tokens; a parser has one and uses it again for each line. */
export class Argument {
  /** How many tokens there are; only the first of them can be asked for. */
  count = 0
  /** Where the argument ends, in front of its line end. */
  end = 0
  /** Whether CR or LF stands inside. */
  bareCr = false
  readonly #edges = new Int32Array(keptTokens * 2)

  tokenStart(token: number): number {
    return this.#edges[token * 2] as number
  }

  tokenEnd(token: number): number {
    return this.#edges[token * 2 + 1] as number
  }

  /** Reads a token as the server reads a size: one to nine digits; -1 for anything else. */
  size(bytes: Uint8Array, token: number): number {
    const end = this.tokenEnd(token)
    let at = this.tokenStart(token)
    if (end - at > 9) return -1
    let size = 0
    for (; at < end; at++) {
      const digit = (bytes[at] as number) - 48
      if (digit < 0 || digit > 9) return -1
      size = size * 10 + digit
    }
    return size
  }

  /**
   * Splits the argument that begins at `start` at blanks and tabs and returns where its LF is, or -1 if that has not come.
   * `crSeparates` says what a CR inside does.
   */
  scan(bytes: Uint8Array, start: number, end: number, crSeparates: boolean): number {
    const edges = this.#edges
    let count = 0
    for (let at = start; ; at++) {
      const tokenStart = at
      let byte = 0
      while (at < end && (byte = bytes[at] as number) > BLANK) at++
      if (at === end) return -1
      if (tokenStart < at && count < keptTokens) {
        edges[count * 2] = tokenStart
        edges[count * 2 + 1] = at
      }
      if (tokenStart < at) count++
      if (byte === BLANK || byte === TAB) continue
      const lf = byte === CR ? at + 1 : at
      if (lf === end) return -1
      if (bytes[lf] !== LF || at === start) return this.#scanUnusual(bytes, start, end, crSeparates)
      this.count = count
      this.end = at
      this.bareCr = false
      return lf
    }
  }

  /**
   * The same for an argument with control characters, read as the server does when all of it comes in one read: the byte it
   * begins with belongs to it, LF included, and behind any other CR the last byte before the LF does not, CR or not.
   */
  #scanUnusual(bytes: Uint8Array, start: number, end: number, crSeparates: boolean): number {
    const lf = bytes.indexOf(LF, start + 1)
    if (lf < 0 || lf >= end) return -1
    const cr = bytes.indexOf(CR, start + 1)
    this.end = cr > 0 && cr < lf ? lf - 1 : lf
    this.bareCr = bytes[start] === CR || bytes[start] === LF || (cr > 0 && cr < lf - 1)
    this.count = 0
    let tokenStart = start
    for (let at = start; at <= this.end; at++) {
      if (at < this.end && !separates(bytes[at] as number, crSeparates)) continue
      if (tokenStart < at) this.#keep(this.count++, tokenStart, at)
      tokenStart = at + 1
    }
    return lf
  }

  #keep(token: number, start: number, end: number): void {
    if (token >= keptTokens) return
    this.#edges[token * 2] = start
    this.#edges[token * 2 + 1] = end
  }
}

function separates(byte: number, crSeparates: boolean): boolean {
  return byte === BLANK || byte === TAB || (crSeparates && (byte === CR || byte === LF))
}

/** Whether an argument whose LF has not come is too long already; a CR that may belong to the line end does not count. */
export function isLonger(bytes: Uint8Array, start: number, end: number, max: number): boolean {
  const length = end - start
  if (length <= max) return false
  const cr = bytes.indexOf(CR, start + 1)
  return length - (cr > 0 && cr < end ? 1 : 0) > max
}
