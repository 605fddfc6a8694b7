// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { setTimeout as pause } from 'node:timers/promises'
import { onTestFinished, vi } from 'vitest'
import { type HostKind, type HttpHost, startHttpHost } from './http-host.test-support.ts'
import { RawClient } from './raw-client.test-support.ts'
import { restProxy, type RestProxy, type RestProxyOptions } from './index.ts'

// Waiting goes by the real clock, also while a test holds that of the deadlines.
const clock = performance

/** A broker with two connections: the proxy's and the services'. */
export interface Broker {
  readonly server: NatsServer
  /** For proxies. */
  readonly nats: NatsConnection
  /** For services and subscribers of the test. */
  readonly peer: NatsConnection
  stop(): Promise<void>
}

export async function startBroker(
  binary: { readonly path: string; readonly version: string },
  options: { readonly jetstream?: boolean; readonly config?: string } = {},
): Promise<Broker> {
  const server = await startNatsServer({ binary, jetstream: false, ...options })
  const [nats, peer] = await Promise.all([connectTo(server.url), connectTo(server.url)])
  return {
    server,
    nats,
    peer,
    async stop() {
      await Promise.allSettled([nats.close(), peer.close()])
      await server.stop()
    },
  }
}

export function connectTo(url: string): Promise<NatsConnection> {
  return connect({ servers: url, reconnectTimeWait: 50, maxReconnectAttempts: -1, reconnectJitter: 0 })
}

/** A proxy behind real HTTP. */
export interface Rig {
  readonly proxy: RestProxy
  readonly host: HttpHost
  client(): Promise<RawClient>
  stop(): Promise<void>
}

export async function startRig(options: RestProxyOptions, kind: HostKind = 'response', path = '/'): Promise<Rig> {
  const proxy = restProxy(options)
  const host = await startHttpHost(new Hono().route(path, proxy.routes), kind)
  const clients: RawClient[] = []
  return {
    proxy,
    host,
    async client() {
      const client = await RawClient.open(host.port)
      clients.push(client)
      return client
    },
    async stop() {
      for (const client of clients) client.close()
      await proxy.close({ drainMs: 0 })
      await host.stop()
    },
  }
}

/** Resolves when the condition holds; rejects after the deadline, naming what was waited for. */
export async function until(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = clock.now() + deadlineMs
  while (!condition()) {
    if (clock.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}`)
    await pause(5)
  }
}

/** Holds the clock of proxies and connections that are made after this, until the test is over or moves it. */
export function holdDeadlines(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

/** Moves a held clock until the answer is there: no pause of the machine takes time from anybody's deadline. */
export async function timePasses<Answer>(answer: Promise<Answer>): Promise<Answer> {
  const state = { isHere: false }
  const settled = answer.finally(() => (state.isHere = true))
  settled.catch(() => undefined)
  while (!state.isHere) {
    vi.advanceTimersByTime(10)
    await pause(1)
  }
  return settled
}

/** The newest broker of this run, for what no version changes. */
export function newestServer(servers: readonly { readonly path: string; readonly version: string }[]): {
  readonly path: string
  readonly version: string
} {
  const newest = servers.at(-1)
  if (newest === undefined) throw new Error('no nats-server to test with')
  return newest
}
