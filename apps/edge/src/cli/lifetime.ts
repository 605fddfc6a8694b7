// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import { NatsUnreachable } from '../nats.ts'
import { UnprotectedListener } from '../wire/login-guard.ts'
import { writeLastLine } from '../log/sink.ts'
import { exitCode } from './exit-code.ts'
import type { ExitCode } from './exit-code.ts'
import { watchParents } from './parent-watch.ts'
import type { StartedServer } from './start-server.ts'

const failureGraceMs = 5000
const hurryMs = 800
const flushMs = 500

/**
 * Lets a started server run until something ends it, drains, and gives the exit code: a signal, a failure from inside,
 * an exception nobody caught, or, under npm, the end of the process that started this one.
 */
export async function runUntilEnd(started: StartedServer): Promise<ExitCode> {
  const { server, log, sink } = started
  const end = await new Promise<{ readonly code: ExitCode; readonly graceMs?: number }>((resolve) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      log.info({ signal }, 'draining')
      resolve({ code: exitCode.done })
      for (const name of stopSignals) process.off(name, onSignal).on(name, (again) => void hurry(started, again))
    }
    for (const name of stopSignals) process.on(name, onSignal)
    process.on('uncaughtException', (error, origin) => {
      log.fatal({ err: error, origin }, 'an exception nobody caught')
      resolve({ code: exitCode.internal, graceMs: failureGraceMs })
    })
    void server.failed.then((error) => {
      log.fatal({ err: error }, 'cannot go on')
      resolve({ code: codeOf(error), graceMs: failureGraceMs })
    })
    if (process.env['npm_lifecycle_event'] !== undefined) {
      watchParents(() => {
        log.info('npm is gone; draining')
        resolve({ code: exitCode.done })
      })
    }
    watchDiagnosticSignals(started)
  })
  const graceMs = end.graceMs === undefined ? undefined : Math.min(end.graceMs, server.config.shutdown.grace)
  await server.close(graceMs === undefined ? {} : { graceMs, delayMs: 0 })
  log.info({ code: end.code }, 'stopped')
  await sink.drain(flushMs)
  return end.code
}

function codeOf(error: Error): ExitCode {
  if (error instanceof NatsUnreachable) return exitCode.unreachable
  return error instanceof UnprotectedListener ? exitCode.usage : exitCode.failure
}

// SIGHUP is what a closed terminal sends: what it belonged to is over.
const stopSignals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']

/** A second signal: out within a second, but not without the broker. */
async function hurry({ server, sink }: StartedServer, signal: NodeJS.Signals): Promise<never> {
  writeLastLine(`nats-edge: second ${signal}: stopping at once\n`)
  await Promise.race([server.abandon(), delay(hurryMs)])
  await sink.drain(100)
  process.exit(signal === 'SIGINT' ? exitCode.interrupted : exitCode.terminated)
}

/** SIGUSR1 writes the state to the log, and so never opens the inspector; SIGUSR2 toggles level debug. */
function watchDiagnosticSignals({ server, log }: StartedServer): void {
  if (process.platform === 'win32') return
  const level = log.level
  process.on('SIGUSR1', () => log.info({ state: server.state() }, 'state'))
  process.on('SIGUSR2', () => {
    log.level = log.level === 'debug' ? level : 'debug'
    log.warn({ level: log.level }, 'log level changed')
  })
}
