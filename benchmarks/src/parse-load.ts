// SPDX-License-Identifier: Apache-2.0
import { collectGarbage } from './collect-garbage.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoadResult } from './load-result.ts'

const chunkBytes = 65_536
const sliceMs = 20
// What a warm process may have more of after a run than before: noise of the collector.
const heapNoiseBytes = 1_000_000

/** Messages one after the other as a socket hands them out: in chunks that end anywhere. */
export interface MessageStream {
  readonly chunks: readonly Buffer[]
  readonly messages: number
}

export function messageStream(message: string, messages: number): MessageStream {
  const all = Buffer.from(message.repeat(messages))
  const chunks: Buffer[] = []
  for (let at = 0; at < all.length; at += chunkBytes) chunks.push(all.subarray(at, at + chunkBytes))
  return { chunks, messages }
}

/** What a reader has seen since it was made. */
export interface Seen {
  readonly messages: number
  readonly bytes: number
}

/** What is read, what a reader sees of each message, and for how long. */
export interface ParseLoad {
  readonly stream: MessageStream
  readonly bytesEach: number
  readonly durationMs: number
}

/**
 * Pushes a stream again and again for so long. Operations are messages, latencies those of a chunk. Errors are messages that
 * were not seen, bytes of them that were not, and bytes of heap that stay in use afterwards.
 */
export async function runParseLoad(push: (chunk: Buffer) => void, seen: Seen, load: ParseLoad): Promise<LoadResult> {
  const { stream, bytesEach, durationMs } = load
  const latencies = new LatencyHistogram()
  const { messages, bytes } = seen
  const heapBefore = heapBytes()
  const startedAt = performance.now()
  let streams = 0
  while (performance.now() - startedAt < durationMs) {
    const sliceEnd = performance.now() + sliceMs
    for (; performance.now() < sliceEnd; streams++) pushAll(push, stream.chunks, latencies)
    await new Promise((resolve) => void setImmediate(resolve))
  }
  const seconds = (performance.now() - startedAt) / 1000
  const operations = seen.messages - messages
  const errors = {
    'messages missing': Math.abs(streams * stream.messages - operations),
    'bytes unseen': Math.abs(operations * bytesEach - (seen.bytes - bytes)),
    'bytes of heap kept': Math.max(0, heapBytes() - heapBefore - heapNoiseBytes),
  }
  const found = Object.entries(errors).filter(([, count]) => count > 0)
  return { operations, seconds, errors: Object.fromEntries(found), latencyCounts: latencies.counts() }
}

function pushAll(push: (chunk: Buffer) => void, chunks: readonly Buffer[], latencies: LatencyHistogram): void {
  let from = performance.now()
  for (const chunk of chunks) {
    push(chunk)
    const now = performance.now()
    latencies.record((now - from) * 1000)
    from = now
  }
}

/** Heap in use once everything unused is collected. */
function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
