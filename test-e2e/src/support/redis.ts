// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { describe, inject } from 'vitest'

const program = inject('redisServer')

/** A Redis of a test's own, in memory, on loopback. */
export interface Redis {
  readonly url: string
  stop(): Promise<void>
}

/** `describe` for tests with a Redis; where none can be had they are skipped, and their title says why. */
export function describeWithRedis(title: string, tests: () => void): void {
  const reason = 'path' in program ? '' : ` (skipped, no Redis: ${program.missing})`
  describe.skipIf(reason !== '')(`${title}${reason}`, () => {
    tests()
  })
}

/** Starts a Redis on a free port and waits until it takes connections. */
export async function startRedis(): Promise<Redis> {
  if (!('path' in program)) throw new Error(`no Redis: ${program.missing}`)
  const port = await freePort()
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: tmpdir(), daemonize: 'no' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  // The name decides which of its programs the file is.
  const server = spawn(program.path, args, { argv0: 'redis-server', stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(server, 'exit')
  const output = await new Promise<string>((resolve, reject) => {
    let text = ''
    server.once('error', reject)
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${text}`)))
    server.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (/ready to accept connections/i.test(text)) resolve(text)
    })
    server.stderr.setEncoding('utf8').on('data', (part: string) => (text += part))
  })
  const stop = async (): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) server.kill('SIGTERM')
    await ended
  }
  if (!output.includes(String(port))) {
    await stop()
    throw new Error(`redis-server does not listen on ${port}: ${output}`)
  }
  return { url: `redis://127.0.0.1:${port}`, stop }
}

/** Redis cannot choose a port itself: 0 would mean none. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
