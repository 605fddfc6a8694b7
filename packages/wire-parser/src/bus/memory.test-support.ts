// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use, of objects and of buffers, once collections free nothing more: what is freed late is not kept. */
export async function memoryInUse(): Promise<number> {
  let least = Infinity
  for (let idle = 0; idle < 3; idle++) {
    collect()
    await turn()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const used = heapUsed + arrayBuffers
    if (used < least - 10_000) idle = 0
    least = Math.min(least, used)
  }
  return least
}
