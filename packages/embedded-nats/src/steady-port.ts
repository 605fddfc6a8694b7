// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net'

// Below the ports that Linux and macOS give to whoever asks for any.
const first = 20_000
const blocks = 200
const blockSize = 60

// Processes that run at the same time rarely share a block.
const block = first + (process.pid % blocks) * blockSize
let next = Math.floor(Math.random() * blockSize)

/**
 * A free port of loopback for something that ends and comes back on it: the system gives it to nobody who asks for any
 * port, and within 59 more calls this process gets another one. Rejects where none of its ports is free.
 */
export async function steadyPort(): Promise<number> {
  for (let tries = 0; tries < blockSize; tries++) {
    const port = block + (next++ % blockSize)
    if (await isFree(port)) return port
  }
  throw new Error(`no port from ${block} to ${block + blockSize - 1} is free`)
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
