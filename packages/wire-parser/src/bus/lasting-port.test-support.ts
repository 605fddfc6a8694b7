// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:net'

let next = process.pid

/** A free port below those the system gives to whoever asks for any: what ends on it finds it free when it comes back. */
export async function lastingPort(): Promise<number> {
  // Test files that run at the same time have ports of their own.
  const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % 20
  for (let tries = 0; tries < 600; tries++) {
    const port = 20_000 + worker * 600 + (next++ % 600)
    const server = createServer()
    const isFree = await Promise.race([
      once(server.listen(port, '127.0.0.1'), 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false)
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
  throw new Error('there is no free port')
}
