// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, Principal } from '@nats-edge/wire-parser'
import type { Hono } from 'hono'
import type { HealthCheck } from './health.ts'

/** What the edge composes: routes, counters and an end. Every package's factory returns this shape. */
export interface Capability {
  /** A Hono app relative to where it is mounted; WebSocket endpoints are routes of it too. */
  readonly routes: Hono
  /** Counters as they are now: cheap, without side effects. */
  stats(): Iterable<MetricFamily>
  /** Lets go of everything but the NATS connection; a second call may only shorten the first. */
  close(options?: CloseOptions): Promise<void>
  /** Resolves when the capability's own subscriptions have reached the broker. */
  ready?(): Promise<void>
  /** Validates new options and throws; the returned commit never throws. */
  reload?(options: unknown): () => ReloadReport
  /** Maps every live principal to its new state; undefined ends it. Returns how many ended. */
  updatePrincipals?(next: (principal: Principal) => Principal | undefined): number
  connections?(): Iterable<ConnectionInfo>
  /** Closes the selected connections and says how many. */
  kick?(select: (connection: ConnectionInfo) => boolean, reason: string): number
  health?(): unknown
  openApi?(): unknown
}

export interface CloseOptions {
  /** How long what runs may go on. 0: not at all. */
  readonly drainMs?: number
  /** Window over which long-lived clients are told to go. */
  readonly spreadMs?: number
  /** Bounds of the delay that clients are asked to wait before they come back. */
  readonly retryAfterMs?: readonly [number, number]
  /** The server does not come back. */
  readonly final?: boolean
  /** Ordinary requests are still answered until `drainMs`. */
  readonly serveRequests?: boolean
}

export interface ReloadReport {
  readonly applied: readonly string[]
  readonly unchanged: readonly string[]
  readonly needsRestart: readonly string[]
  readonly closed: number
}

export interface ConnectionInfo {
  readonly id: string
  readonly surface: string
  readonly transport: 'ws' | 'tcp' | 'sse' | 'ndjson'
  readonly ip: string
  readonly principalId?: string
  readonly route?: string
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly queuedBytes: number
  readonly subscriptions: number
}

/** A capability at its place in the edge. */
export interface Mount {
  /** Its name in metrics and logs: `rest`, `res`, `jetstream`, … */
  readonly surface: string
  /** `/` or a path without a slash at its end; undefined where nothing of it is on the public listener. */
  readonly path: string | undefined
  /** The key its path comes from, for messages. */
  readonly pathKey?: readonly string[]
  readonly capability: Capability
  /** One line for the index page. */
  readonly description?: string
  /** Sockets of its own beside the public listener; the capability's `close()` ends them and their connections. */
  readonly listeners?: readonly SurfaceListener[]
  /** What readiness depends on beyond NATS. */
  readonly checks?: readonly HealthCheck[]
}

/** A listener that a surface brings along; opened when the edge starts. */
export interface SurfaceListener {
  /** Its name in the state and in messages: `wire`. */
  readonly name: string
  /** The key its address comes from. */
  readonly key: string
  /** What it was told to take, for messages. */
  readonly wanted: string
  /** Where it listens, undefined before that: `nats://127.0.0.1:4223`. */
  readonly url: string | undefined
  readonly openConnections: number
  /** Resolves when connections are accepted; rejects with node's error when the address cannot be had. */
  listen(): Promise<void>
}
