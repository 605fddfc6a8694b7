// SPDX-License-Identifier: Apache-2.0
import type { LoadedConfig } from '../config.ts'
import { formatDiagnostic } from '../config/diagnostic.ts'
import { makeServer } from '../edge.ts'
import type { EdgeServer } from '../edge-server.ts'
import { createLog } from '../log.ts'
import type { Logger } from '../log.ts'
import { standardErrorSink } from '../log/sink.ts'
import type { LogSink } from '../log/sink.ts'

export interface ServerStart {
  readonly insecure: boolean
  readonly adminMayMove: boolean
  /** Hears the steps of finding the broker; by default they are logged. */
  readonly onStep?: (text: string) => void
}

/** A server and where it logs. */
export interface StartedServer {
  readonly server: EdgeServer
  readonly log: Logger
  readonly sink: LogSink
}

/** Makes the server a configuration describes and starts it; throws ConfigError or ListenError. */
export async function startServer(loaded: LoadedConfig, start: ServerStart): Promise<StartedServer> {
  const sink = standardErrorSink()
  const log = createLog(loaded.config.log, sink)
  for (const warning of loaded.warnings) log.warn({ config: formatDiagnostic(warning).split('\n')[0] }, 'configuration')
  const server = makeServer(loaded.tree, {
    config: loaded.config,
    log,
    droppedLogLines: () => sink.dropped,
    mounts: undefined,
    bus: undefined,
    insecure: start.insecure,
    adminMayMove: start.adminMayMove,
    onStep: start.onStep ?? ((text) => log.info({ step: text }, 'embedded broker')),
  })
  await server.start()
  return { server, log, sink }
}
