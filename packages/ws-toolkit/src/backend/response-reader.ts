// SPDX-License-Identifier: Apache-2.0
import { parseResponseHead, type ResponseHead } from './response-head.ts'

/** Is told of one response, piece by piece. */
export interface ResponseSink {
  head(head: ResponseHead): void
  /** A view of what was read, valid for ever. */
  data(bytes: Buffer): void
  end(): void
}

type Place = 'head' | 'body' | 'size' | 'chunk' | 'chunk-end' | 'trailer'

// As much as node:http reads.
const maxHeadBytes = 16_384
const maxLineBytes = 4096
const sizePattern = /^([0-9a-f]{1,12})[\t ]*(?:;.*)?$/i
const nothing = Buffer.alloc(0)

/** Reads the responses of one connection, cut anywhere; `expect()` says what the next one answers. */
export class ResponseReader {
  readonly #sink: ResponseSink
  #method = 'GET'
  #isExpecting = false
  #place: Place = 'head'
  #kept: Buffer = nothing
  #left = 0
  #isUntilClose = false

  constructor(sink: ResponseSink) {
    this.#sink = sink
  }

  /** A request was sent. */
  expect(method: string): void {
    this.#method = method
    this.#isExpecting = true
  }

  /** Throws Error for what is no response, and for bytes nobody asked for. */
  push(chunk: Buffer): void {
    let rest = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk])
    this.#kept = nothing
    while (rest.length > 0) {
      if (!this.#isExpecting) throw new Error('the service answers what it was not asked')
      const taken = this.#take(rest)
      if (taken === 0) {
        this.#kept = rest
        return
      }
      rest = rest.subarray(taken)
    }
  }

  /** The connection has ended: true where that is the end of a body. */
  close(): boolean {
    if (!this.#isUntilClose) return false
    this.#end()
    return true
  }

  /** Answers how many bytes were taken: 0 where more are needed first. */
  #take(bytes: Buffer): number {
    switch (this.#place) {
      case 'head':
        return this.#takeHead(bytes)
      case 'body':
      case 'chunk':
        return this.#takeBody(bytes)
      case 'size':
        return this.#takeLine(bytes, (line) => this.#startChunk(line))
      case 'chunk-end':
        return this.#takeLine(bytes, (line) => {
          if (line !== '') throw new Error('a chunk of the service is longer than it says')
          this.#place = 'size'
        })
      case 'trailer':
        return this.#takeLine(bytes, (line) => {
          if (line === '') this.#end()
        })
    }
  }

  #takeHead(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n')
    if (end > maxHeadBytes || (end === -1 && bytes.length > maxHeadBytes)) {
      throw new Error('the headers of the service are too long')
    }
    if (end === -1) return 0
    const head = parseResponseHead(bytes.toString('latin1', 0, end), this.#method)
    if (head.status === 101) throw new Error('the service switches protocols unasked')
    // 1xx: the answer is still to come.
    if (head.status >= 200) this.#begin(head)
    return end + 4
  }

  #begin(head: ResponseHead): void {
    this.#sink.head(head)
    if (head.framing === 'none') {
      this.#end()
      return
    }
    this.#isUntilClose = head.framing === 'close'
    this.#place = head.framing === 'chunked' ? 'size' : 'body'
    this.#left = head.framing === 'length' ? head.bytes : Infinity
  }

  #takeBody(bytes: Buffer): number {
    const count = Math.min(bytes.length, this.#left)
    this.#sink.data(count === bytes.length ? bytes : bytes.subarray(0, count))
    this.#left -= count
    if (this.#left > 0) return count
    if (this.#place === 'chunk') this.#place = 'chunk-end'
    else this.#end()
    return count
  }

  #takeLine(bytes: Buffer, take: (line: string) => void): number {
    const end = bytes.indexOf('\r\n')
    if (end > maxLineBytes || (end === -1 && bytes.length > maxLineBytes)) {
      throw new Error('a line of the service is too long')
    }
    if (end === -1) return 0
    take(bytes.toString('latin1', 0, end))
    return end + 2
  }

  #startChunk(line: string): void {
    const size = sizePattern.exec(line)?.[1]
    if (size === undefined) throw new Error('the size of a chunk of the service is malformed')
    this.#left = Number.parseInt(size, 16)
    this.#place = this.#left === 0 ? 'trailer' : 'chunk'
  }

  #end(): void {
    this.#place = 'head'
    this.#isExpecting = false
    this.#isUntilClose = false
    this.#sink.end()
  }
}
