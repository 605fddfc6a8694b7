// SPDX-License-Identifier: Apache-2.0

let known = -1
const settled = Promise.resolve()

/**
 * Milliseconds of the monotonic clock as they were when it was last read in this turn: for beginnings, many of which
 * follow each other where a client sends many messages at once.
 */
export function turnMs(): number {
  return known === -1 ? freshMs() : known
}

/** Milliseconds of the monotonic clock: for ends, and for what begins after them in the same turn. */
export function freshMs(): number {
  // A microtask ends the turn before anything else begins.
  if (known === -1) void settled.then(forget)
  known = performance.now()
  return known
}

function forget(): void {
  known = -1
}
