// SPDX-License-Identifier: Apache-2.0
import { expect } from 'vitest'
import type { GatewayProcess, GatewayProcessState } from './gateway-process.ts'

// Code that becomes warmer still takes a little; a byte a message would be ten million.
const heapBound = 1_000_000
const bufferBound = 600_000

/** Holds a process to the memory it had before `messages` that took since `startMs`, and to all else it held. */
export async function expectSameHeap(
  gateway: GatewayProcess,
  before: GatewayProcessState,
  { what, startMs }: { readonly what: string; readonly startMs: number },
): Promise<void> {
  const seconds = (performance.now() - startMs) / 1000
  // A collection may leave for the next one what was let go of just before, and a timer may just be due.
  const after = await gateway.settled(
    ({ held, heapBytes, bufferBytes }) =>
      heapBytes - before.heapBytes < heapBound &&
      bufferBytes - before.bufferBytes < bufferBound &&
      JSON.stringify(held) === JSON.stringify(before.held),
  )
  const [heap, buffers] = [after.heapBytes - before.heapBytes, after.bufferBytes - before.bufferBytes]
  const resident = after.residentBytes - before.residentBytes
  process.stderr.write(
    `${what}: heap ${heap} B, buffers ${buffers} B, resident ${resident} B in ${seconds.toFixed(1)} s\n`,
  )
  expect(heap).toBeLessThan(heapBound)
  expect(buffers).toBeLessThan(bufferBound)
  expect(after.held).toEqual(before.held)
}
