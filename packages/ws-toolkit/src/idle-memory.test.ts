// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, it, vi } from 'vitest'
import { startGateway } from './gateway.test-support.ts'
import { jsonCodec } from './index.ts'
import { handshake, hosts } from './upgrade/hosts.test-support.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

// In a process of their own: what clients hold is not counted.
const clients = `
  const { connect } = require('node:net')
  const [, port, count, handshake] = process.argv
  for (let each = 0; each < Number(count); each += 1) {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(handshake))
    socket.on('error', () => {})
    socket.resume()
  }
`

function open(port: number, count: number): void {
  const child = spawn(process.execPath, ['-e', clients, String(port), String(count), handshake('/')])
  onTestFinished(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
}

/** What is in use after a collection, buffers outside of the heap included. */
async function usedBytes(): Promise<number> {
  // What a turn of the loop lets go of is gone by the next.
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise(setImmediate)
    collectGarbage()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe.each(hosts)('an idle connection under $name', ({ start }) => {
  it('takes less than 12 KiB (D30)', async () => {
    const { gateway, host } = await startGateway(
      (each) =>
        each
          .channel('/', { codec: jsonCodec() })
          .use((_request, next) => next())
          .route('echo', ({ data }) => data),
      { start },
    )
    const count = 200
    // The first ones make what is made once.
    open(host.port, 50)
    await vi.waitFor(() => expect(gateway.registry.size).toBe(50))
    const before = await usedBytes()
    open(host.port, count)
    await vi.waitFor(() => expect(gateway.registry.size).toBe(50 + count))
    const each = ((await usedBytes()) - before) / count
    expect(each).toBeLessThan(12 * 1024)
  })
})
