// SPDX-License-Identifier: Apache-2.0
import { busFrom } from '@nats-edge/wire-parser/bus'
import type { NatsSource } from '@nats-edge/wire-parser/bus'
import type { Bus } from '@nats-edge/wire-parser'
import type { Mount } from './capability.ts'
import { parseConfig } from './config.ts'
import type { EdgeConfig, EdgeConfigInput } from './config.ts'
import { faultToConfigError } from './config/option-fault.ts'
import type { ConfigNode } from './config/tree.ts'
import { EdgeServer } from './edge-server.ts'
import type { EdgeServerOptions } from './edge-server.ts'
import { createLog } from './log.ts'
import type { Logger } from './log.ts'
import { standardErrorSink } from './log/sink.ts'
import type { SurfaceContext } from './surface/surface-context.ts'

/** How an edge is started by a program. */
export interface EdgeOptions {
  /** The configuration as a file holds it. Default: all defaults. */
  readonly config?: EdgeConfigInput
  /**
   * A connection of the program's own, never closed here; the NATS protocol is then served only with `wire.backends`.
   * Default: the edge connects by `config.nats`.
   */
  readonly nats?: NatsSource
  /** Further capabilities beside those the configuration names. */
  readonly mounts?: (context: SurfaceContext) => readonly Mount[]
  /** Default: a pino logger by `config.log`, on standard error. */
  readonly log?: Logger
  /** Allows addresses beyond loopback although nobody has to log in. Default false. */
  readonly insecure?: boolean
  /** Hears what finding and starting the embedded broker does. */
  readonly onStep?: (text: string) => void
}

/** A running edge. */
export interface Edge {
  /** Where the public listener is, `http://127.0.0.1:8080`. */
  readonly url: string
  readonly adminUrl: string
  /** Where NATS clients connect over TCP, `nats://127.0.0.1:4223`; undefined where that is off. */
  readonly wireUrl: string | undefined
  readonly bus: Bus
  readonly config: EdgeConfig
  /** Resolves when NATS is connected and every surface has its subscriptions; rejects when that will never be. */
  ready(): Promise<void>
  /** Resolves with what ends the edge from inside: no broker, no connection with `waitOnStart: false`, a loss with `exitOnNatsLoss`. */
  readonly failed: Promise<Error>
  /** Drains and lets go of everything; `graceMs: 0` cuts at once. Default: as `config.shutdown` says. */
  close(options?: { readonly delayMs?: number; readonly graceMs?: number }): Promise<void>
}

/**
 * Starts an edge inside this process: resolves when it listens, whether or not NATS is there yet. Throws ConfigError for
 * a wrong configuration, ListenError for an address it cannot have.
 */
export async function edge(options: EdgeOptions = {}): Promise<Edge> {
  const { config, tree } = parseConfig(options.config ?? {}, options.insecure)
  const sink = options.log === undefined ? standardErrorSink() : undefined
  const log = options.log ?? createLog(config.log, sink ?? { write: () => {} })
  const server = makeServer(tree, {
    config,
    log,
    droppedLogLines: () => sink?.dropped ?? 0,
    mounts: options.mounts,
    bus: options.nats === undefined ? undefined : busFrom(options.nats),
    insecure: options.insecure ?? false,
    adminMayMove: false,
    onStep: options.onStep ?? (() => {}),
  })
  await server.start()
  return server
}

/** Makes the server a configuration describes; throws ConfigError with the place of what cannot be used. */
export function makeServer(tree: ConfigNode, options: EdgeServerOptions): EdgeServer {
  try {
    return new EdgeServer(options)
  } catch (error) {
    throw faultToConfigError(error, tree)
  }
}
