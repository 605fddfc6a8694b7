// SPDX-License-Identifier: Apache-2.0
import { WsError } from '../ws-error.ts'

const LF = 0x0a
const CR = 0x0d

/** Cuts a body into the items of a stream. */
export interface ItemReader {
  push(chunk: Buffer): void
  /** The body is at its end. */
  end(): void
}

/** Lines, one value each (NDJSON); blank ones are skipped. */
export function lineItems(maxBytes: number, take: (item: Buffer) => void): ItemReader {
  const lines = new LineReader(maxBytes, false, (line) => {
    if (!isBlank(line)) take(line)
  })
  return { push: (chunk) => lines.push(chunk), end: () => lines.end() }
}

/** The data of server-sent events; names, ids and comments are left out (HTML, 9.2.6). */
export function eventItems(maxBytes: number, take: (item: Buffer) => void): ItemReader {
  let data: Buffer[] = []
  let bytes = 0
  const lines = new LineReader(maxBytes, true, (line) => {
    if (line.length === 0) {
      if (data.length > 0) take(Buffer.concat(data.slice(0, -1)))
      data = []
      bytes = 0
      return
    }
    const value = dataOf(line)
    if (value === undefined) return
    data.push(value, newline)
    bytes += value.length + 1
    if (bytes > maxBytes) throw tooLarge()
  })
  // An event without its blank line is not one.
  return { push: (chunk) => lines.push(chunk), end: () => {} }
}

const newline = Buffer.from('\n')
const dataField = Buffer.from('data')

/** Reads lines out of chunks, in whatever pieces they come. */
class LineReader {
  readonly #maxBytes: number
  readonly #isCrEnd: boolean
  readonly #take: (line: Buffer) => void
  #held: Buffer[] = []
  #heldBytes = 0
  #skipsLf = false

  constructor(maxBytes: number, isCrEnd: boolean, take: (line: Buffer) => void) {
    this.#maxBytes = maxBytes
    this.#isCrEnd = isCrEnd
    this.#take = take
  }

  push(chunk: Buffer): void {
    let start = 0
    if (this.#skipsLf && chunk.length > 0) {
      if (chunk[0] === LF) start = 1
      this.#skipsLf = false
    }
    for (let end = this.#endOfLine(chunk, start); end !== -1; end = this.#endOfLine(chunk, start)) {
      this.#line(chunk.subarray(start, end))
      start = end + 1
      if (!this.#isCrEnd || chunk[end] !== CR) continue
      if (start === chunk.length) this.#skipsLf = true
      else if (chunk[start] === LF) start += 1
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start))
  }

  end(): void {
    if (this.#heldBytes > 0) this.#line(Buffer.alloc(0))
  }

  #endOfLine(chunk: Buffer, start: number): number {
    const lf = chunk.indexOf(LF, start)
    if (!this.#isCrEnd) return lf
    const cr = chunk.subarray(start, lf === -1 ? chunk.length : lf).indexOf(CR)
    return cr === -1 ? lf : start + cr
  }

  #hold(rest: Buffer): void {
    this.#heldBytes += rest.length
    if (this.#heldBytes > this.#maxBytes) throw tooLarge()
    this.#held.push(rest)
  }

  #line(end: Buffer): void {
    if (this.#heldBytes + end.length > this.#maxBytes) throw tooLarge()
    const line = this.#heldBytes === 0 ? end : Buffer.concat([...this.#held, end])
    this.#held = []
    this.#heldBytes = 0
    this.#take(line.at(-1) === CR ? line.subarray(0, -1) : line)
  }
}

// One blank after the colon belongs to the field.
function dataOf(line: Buffer): Buffer | undefined {
  if (!line.subarray(0, 4).equals(dataField)) return undefined
  if (line.length === 4) return Buffer.alloc(0)
  if (line[4] !== 0x3a) return undefined
  return line.subarray(line[5] === 0x20 ? 6 : 5)
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09)
}

function tooLarge(): WsError {
  return new WsError('bad_reply', { message: 'the service answered with an item that is too large' })
}
