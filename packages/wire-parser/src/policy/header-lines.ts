// SPDX-License-Identifier: Apache-2.0

const LF = 10
const CR = 13
const BLANK = 32
const TAB = 9
const version = Buffer.from('NATS/1.0', 'latin1')
const crlf = Buffer.from('\r\n', 'latin1')

interface Line {
  readonly bytes: Uint8Array
  /** Lower case, without the blanks around it; undefined where the line has no colon. */
  readonly name: string | undefined
}

/**
 * The lines of a header block as the most generous of all readers would find them: CR, LF and both end a line, blanks may
 * stand around a name, a line that begins with one goes on with the line before, and an empty line ends nothing. Client
 * libraries differ in all of this, so only then nothing that any of them finds under a removed name stays.
 */
export class HeaderLines {
  readonly #first: Uint8Array
  #lines: Line[]

  constructor(block: Uint8Array) {
    const lines = splitLines(block)
    const first = lines[0]
    const hasVersion = first !== undefined && version.every((byte, i) => first[i] === byte)
    this.#first = hasVersion ? first : version
    this.#lines = lines.slice(hasVersion ? 1 : 0).map((bytes) => ({ bytes, name: nameOf(bytes) }))
  }

  /** Removes every header whose name is to go, with the lines that go on with it; returns how many names went. */
  remove(goes: (name: string) => boolean): number {
    const kept: Line[] = []
    let removed = 0
    let isRemoving = false
    for (const line of this.#lines) {
      const isNamed = line.name !== undefined && goes(line.name)
      if (isNamed) removed++
      isRemoving = isNamed || (isRemoving && isContinuation(line.bytes))
      if (!isRemoving) kept.push(line)
    }
    this.#lines = kept
    return removed
  }

  has(name: string): boolean {
    return this.#lines.some((line) => line.name === name)
  }

  /** Adds a line of ASCII text. */
  add(name: string, value: string): void {
    this.#lines.push({ bytes: Buffer.from(`${name}: ${value}`, 'latin1'), name: name.toLowerCase() })
  }

  /** The block anew, with encoded lines behind its own; empty where it would hold nothing. Lines without a name go. */
  block(more: Uint8Array): Uint8Array {
    const named = this.#lines.filter((line) => line.name !== undefined || isContinuation(line.bytes))
    if (named.length === 0 && more.length === 0 && this.#first.length === version.length) return new Uint8Array(0)
    const parts: Uint8Array[] = [this.#first, crlf]
    for (const { bytes } of named) parts.push(bytes, crlf)
    parts.push(more, crlf)
    return Buffer.concat(parts)
  }
}

function splitLines(block: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = []
  let start = 0
  for (let at = 0; at <= block.length; at++) {
    if (at < block.length && block[at] !== CR && block[at] !== LF) continue
    if (at > start) lines.push(block.subarray(start, at))
    start = at + 1
  }
  return lines
}

function nameOf(line: Uint8Array): string | undefined {
  const colon = line.indexOf(0x3a)
  if (colon < 0) return undefined
  const name = Buffer.from(line.buffer, line.byteOffset, colon).toString('latin1').trim()
  return name === '' ? undefined : name.toLowerCase()
}

function isContinuation(line: Uint8Array): boolean {
  return line[0] === BLANK || line[0] === TAB
}
