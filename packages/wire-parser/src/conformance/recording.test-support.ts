// SPDX-License-Identifier: Apache-2.0
import { expect } from 'vitest'
import { type OperationView, Verb, verbName } from '../operation.ts'
import { Parser, type ParserOptions } from '../parser.ts'
import type { WireErrorCode } from '../wire-error.ts'
import { Random } from './random.test-support.ts'

/** What a parser said about some bytes. */
export interface Recording {
  /** Each operation in one line, blocks in quotes: `PUB a reply "payload"`. */
  readonly lines: string[]
  readonly error: WireErrorCode | undefined
  /** The bytes of all operations as a gateway would forward them, one character per byte. */
  readonly forwarded: string
}

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** Reads chunks; each is overwritten afterwards, so that nothing may have kept it. */
export function record(options: ParserOptions, chunks: Iterable<Uint8Array>): Recording {
  const lines: string[] = []
  let error: WireErrorCode | undefined
  let forwarded = ''
  let chunk = new Uint8Array(0)
  const parser = new Parser(options, {
    operation(view, start, end) {
      lines.push(lineOf(view))
      if (!view.streamed) forwarded += textOf(start < 0 ? wholeOf(view) : chunk.subarray(start, end))
    },
    head: () => 'stream',
    bytes(bytes, start, end) {
      forwarded += textOf(bytes.subarray(start, end))
    },
    error(fault) {
      if (error !== undefined) expect.fail(`${fault.code} after ${error}`)
      error = fault.code
    },
  })
  for (const original of chunks) {
    chunk = Uint8Array.from(original)
    parser.push(chunk)
    chunk.fill(0x21)
  }
  return { lines, error, forwarded }
}

/** The bytes of a held operation. */
export function wholeOf(view: OperationView): Uint8Array {
  return view.bytes.subarray(view.start, view.verb <= Verb.HMSG ? view.payloadEnd + 2 : view.lineEnd)
}

export function lineOf(view: OperationView): string {
  const parts: string[] = [verbName(view.verb)]
  const add = (start: number, end: number): void => {
    if (start < end) parts.push(textOf(view.bytes.subarray(start, end)))
  }
  add(view.subjectStart, view.subjectEnd)
  add(view.queueStart, view.queueEnd)
  add(view.sidStart, view.sidEnd)
  add(view.replyStart, view.replyEnd)
  if (view.max > 0) parts.push(`${view.max}`)
  if (view.verb === Verb.CONNECT || view.verb === Verb.INFO || view.verb === Verb.ERR) {
    parts.push(JSON.stringify(textOf(view.json)))
  }
  if (view.headerBytes >= 0) parts.push(JSON.stringify(textOf(view.headers)))
  if (view.verb <= Verb.HMSG && !view.streamed) parts.push(JSON.stringify(textOf(view.payload)))
  if (view.bareCr) parts.push('(bare CR)')
  return parts.join(' ')
}

/** Cuts bytes at offsets. */
export function cut(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const edges = [0, ...offsets, bytes.length]
  return edges.slice(1).map((end, at) => bytes.subarray(edges[at], end))
}

/**
 * Reads bytes in one chunk, and then cut in two everywhere, short ones also cut in three everywhere, one byte at a time and
 * in chunks of random sizes, empty ones among them; fails where that makes a difference.
 */
export function recordEveryChunking(options: ParserOptions, bytes: Uint8Array): Recording {
  const whole = record(options, [bytes])
  const wanted = JSON.stringify(whole)
  for (const offsets of everyChunking(bytes.length)) {
    const recording = record(options, cut(bytes, offsets))
    // There are thousands of cuts: only one that differs is worth a comparison that explains itself.
    if (JSON.stringify(recording) !== wanted) expect(recording, `cut at ${offsets.join(', ')}`).toEqual(whole)
  }
  return whole
}

function* everyChunking(length: number): Iterable<readonly number[]> {
  for (let first = 0; first <= length; first++) {
    yield [first]
    if (length > 28) continue
    for (let second = first; second <= length; second++) yield [first, second]
  }
  yield Array.from({ length }, (_, at) => at)
  for (let seed = 0; seed < 10; seed++) {
    const random = new Random(seed)
    const longest = 2 + random.below(9)
    const offsets: number[] = []
    for (let at = 0; at < length; at += random.below(longest)) offsets.push(at)
    yield offsets
  }
}
