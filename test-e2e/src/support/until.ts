// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'

/** Waits until `check` gives something other than false, undefined or a throw; says what it waited for in vain. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await check()
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the two excluded values have just been ruled out
      if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`, { cause: last })
    await delay(10)
  }
}
