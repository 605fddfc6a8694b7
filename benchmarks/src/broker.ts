// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { findNatsServer, type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { type BenchProcess, cpuSecondsOf, memoryBytesOf } from './bench-process.ts'

/** The nats-server of a run, whose CPU time is known where the platform tells. */
export interface Broker extends BenchProcess {
  readonly url: string
  /** Of the server's own WebSocket listener. */
  readonly webSocketUrl: string
  readonly version: string
}

interface Binary {
  readonly path: string
  readonly version: string
}

/** Starts a nats-server on an ephemeral loopback port; `onStep` receives a line for each step of finding one. */
export async function startBroker(onStep: (line: string) => void): Promise<Broker> {
  const binary =
    lastTestServer(process.env['NATS_EDGE_TEST_SERVERS']) ??
    (await findNatsServer({ onProgress: (step) => onStep(step.text) }))
  const server: NatsServer = await startNatsServer({ binary, jetstream: false, websocket: true })
  return {
    name: 'nats-server',
    url: server.url,
    webSocketUrl: server.websocketUrl ?? '',
    version: server.version,
    cpuSeconds: () => cpuSecondsOf(server.pid),
    memoryBytes: () => memoryBytesOf(server.pid),
    stop: () => server.stop(),
  }
}

/** The newest of the brokers the tests run on; undefined when none is listed. */
export function lastTestServer(list: string | undefined): Binary | undefined {
  const path = (list ?? '').split(',').findLast((entry) => entry !== '')
  if (path === undefined) return undefined
  const output = execFileSync(path, ['-v'], { encoding: 'utf8' })
  const version = /nats-server: v(\d+\.\d+\.\d+\S*)/.exec(output)?.[1]
  if (version === undefined) throw new Error(`NATS_EDGE_TEST_SERVERS: ${path} -v printed "${output.trim()}"`)
  return { path, version }
}
