// SPDX-License-Identifier: Apache-2.0

/** What is flushed when the turn of a chunk ends. */
export interface TurnFlushable {
  flushTurn(): void
}

const settled = Promise.resolve()
let waiting: TurnFlushable[] = []

/**
 * Flushes once no promise of this turn of the event loop has anything left to run: a tick that is asked for by a
 * promise comes after all of them, and before anything else is read.
 */
export function atEndOfTurn(flushable: TurnFlushable): void {
  if (waiting.push(flushable) === 1) void settled.then(askForTick)
}

function askForTick(): void {
  process.nextTick(flushAll)
}

function flushAll(): void {
  const list = waiting
  waiting = []
  for (const flushable of list) flushable.flushTurn()
}
