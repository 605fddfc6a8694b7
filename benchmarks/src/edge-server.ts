// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from './bench.ts'
import type { NodeProcess } from './node-process.ts'

export interface EdgeServer {
  readonly process: NodeProcess
  /** Of the public listener, on 127.0.0.1. */
  readonly port: number
}

const readyMs = 20_000
const pollMs = 25

/** Runs `nats-edge serve` with a configuration file that names addresses and broker and leaves the rest as it is. */
export async function startEdge(bench: Bench, natsUrl: string): Promise<EdgeServer> {
  const [port, adminPort] = await freePorts()
  const file = join(bench.directory, 'nats-edge.json')
  const config = {
    nats: { servers: [natsUrl] },
    listen: { public: { address: `127.0.0.1:${port}` }, admin: { address: `127.0.0.1:${adminPort}` } },
    // Nobody's port but the two above.
    wire: { enabled: false },
  }
  await writeFile(file, JSON.stringify(config))
  const process = bench.startModule('nats-edge', await edgeProgram(), ['serve', '-c', file])
  // The server announces nothing to us; its ready() only tells that it has ended.
  await Promise.race([process.ready(), untilReady(`http://127.0.0.1:${adminPort}/readyz`)])
  return { process, port }
}

/** The program behind the command `nats-edge`, as its package says. */
async function edgeProgram(): Promise<string> {
  const packageFile = createRequire(import.meta.url).resolve('nats-edge/package.json')
  const { bin } = JSON.parse(await readFile(packageFile, 'utf8')) as { readonly bin?: Record<string, string> }
  const program = bin?.['nats-edge']
  if (program === undefined) throw new Error(`${packageFile} names no command nats-edge`)
  return resolve(dirname(packageFile), program)
}

async function untilReady(url: string): Promise<void> {
  const giveUpAt = performance.now() + readyMs
  while (performance.now() < giveUpAt) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    )
    if (status === 200) return
    await delay(pollMs)
  }
  throw new Error(`nats-edge was not ready within ${readyMs / 1000} s: ${url}`)
}

/** Two ports that were free a moment ago; both are held until both are known, so they differ. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const
  await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }),
  )
  const [first, second] = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => once(server, 'close')))
  if (first === undefined || second === undefined) throw new Error('no free port')
  return [first, second]
}
