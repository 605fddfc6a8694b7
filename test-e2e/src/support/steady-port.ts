// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net'

// Below those that systems give to whoever asks for any.
const [least, most] = [15_000, 32_000]

/** A port of loopback that stays free while nobody listens on it: the system hands it to no one who asks for any port. */
export async function steadyPort(): Promise<number> {
  for (;;) {
    const port = least + Math.floor(Math.random() * (most - least))
    if (await isFreePort(port)) return port
  }
}

function isFreePort(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
