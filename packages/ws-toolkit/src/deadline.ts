// SPDX-License-Identifier: Apache-2.0
import { TimerWheel, type TimerHandle } from '@nats-edge/wire-parser/bus'

export type Deadline = TimerHandle

// One for the process: it ticks only while something is scheduled, and keeps no process alive.
const wheel = new TimerWheel({ tickMs: 20 })

/** Runs `run` once, `afterMs` from now or up to 20 ms later: never a timer of Node's for each request. */
export function schedule(afterMs: number, run: () => void): Deadline {
  return wheel.schedule(afterMs, run)
}

/** Forgets a deadline; harmless when it has run. */
export function cancel(deadline: Deadline | undefined): void {
  if (deadline !== undefined) wheel.cancel(deadline)
}

/** Deadlines that wait. */
export function pendingDeadlines(): number {
  return wheel.size
}
