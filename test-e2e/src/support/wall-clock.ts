// SPDX-License-Identifier: Apache-2.0
import { onTestFinished, vi } from 'vitest'

/**
 * Sets the wall clock of this process by so much, until the test ends, as NTP or an operator does: timers and the
 * monotonic clock go on as they did.
 */
export function setWallClock(byMs: number): void {
  const Before = Date
  class MovedDate extends Before {
    constructor(...parts: readonly unknown[]) {
      super(...((parts.length === 0 ? [Before.now() + byMs] : parts) as [number]))
    }

    static override now(): number {
      return Before.now() + byMs
    }
  }
  vi.stubGlobal('Date', MovedDate)
  onTestFinished(() => void vi.stubGlobal('Date', Before))
}
