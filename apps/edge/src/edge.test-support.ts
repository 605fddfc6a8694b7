// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync } from 'node:fs'
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startNatsServer } from '@nats-edge/embedded-nats'
import type { NatsServer } from '@nats-edge/embedded-nats'
import { inject } from 'vitest'
import { edge } from './edge.ts'
import type { Edge, EdgeOptions } from './edge.ts'
import { createLog } from './log.ts'

/** Waits until `check` gives something other than false, undefined or a throw. */
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

/** The newest broker of this run. */
export function newestServer(): { readonly path: string; readonly version: string } {
  const server = inject('natsServers').at(-1)
  if (server === undefined) throw new Error('no nats-server under test')
  return server
}

/** A broker with the newest binary, on a free port or on the one given. */
export function startBroker(port = 0, config = ''): Promise<NatsServer> {
  return startNatsServer({ binary: newestServer(), port, config })
}

export interface TestEdge extends Edge {
  /** Log lines so far, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
}

/** An edge on free ports of loopback, whose log is kept. */
export async function startEdge(
  natsUrl: string,
  config: Readonly<Record<string, unknown>> = {},
  options: Omit<EdgeOptions, 'config'> = {},
): Promise<TestEdge> {
  const lines: Readonly<Record<string, unknown>>[] = []
  const level = { level: 'debug', format: 'json', access: true, redact: ['authorization', 'cookie'] } as const
  const log = createLog(level, { write: (line) => void lines.push(JSON.parse(line)) })
  const listen = { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } }
  const started = await edge({ log, ...options, config: { nats: { servers: natsUrl }, listen, ...config } })
  return Object.assign(started, { lines })
}

export function scratchFolder(): string {
  return mkdtempSync(join(tmpdir(), 'nats-edge-test-'))
}

/** A TCP client that keeps all it receives. */
export class RawClient {
  readonly socket: Socket
  received = ''
  closed = false

  constructor(url: string) {
    const { hostname, port } = new URL(url)
    this.socket = createConnection({ host: hostname, port: Number(port) })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.received += text
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
    })
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** Resolves with what was received once it matches. */
  until(pattern: RegExp, timeoutMs = 10_000): Promise<string> {
    return until(`received ${String(pattern)}`, () => pattern.test(this.received) && this.received, timeoutMs)
  }

  untilClosed(timeoutMs = 10_000): Promise<true> {
    return until('closed', () => this.closed, timeoutMs)
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** A metric's value from Prometheus text. */
export function metricOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

/** Tells whether a new connection is refused; open ones may still be served. */
export function refusesConnections(url: string): Promise<boolean> {
  const client = new RawClient(url)
  return new Promise((resolve) => {
    client.socket.once('connect', () => resolve(false)).once('error', () => resolve(true))
  }).then((refused) => {
    client.destroy()
    return refused === true
  })
}
