// SPDX-License-Identifier: Apache-2.0
import { loadConfig } from '../config.ts'
import type { ExitCode } from './exit-code.ts'
import { runUntilEnd } from './lifetime.ts'
import { assignmentsOf, parseFlags } from './options.ts'
import type { FlagTable } from './options.ts'
import { startServer } from './start-server.ts'
import { warnAboutNode } from './node-version.ts'
import type { Terminal } from './terminal.ts'

/** The flags of every command that reads a configuration. */
export const configFlags: FlagTable = {
  config: { type: 'string', short: 'c', multiple: true },
  set: { type: 'string', multiple: true },
  lenient: { type: 'boolean' },
  json: { type: 'boolean' },
}

/** Runs the server until a signal ends it. */
export async function serveCommand(args: readonly string[], _terminal: Terminal): Promise<ExitCode> {
  const flags = parseFlags(args, { ...configFlags, insecure: { type: 'boolean' } })
  const insecure = flags.has('insecure')
  const loaded = loadConfig({
    assignments: assignmentsOf(flags),
    lenient: flags.has('lenient'),
    insecure,
    ...(flags.has('config') ? { files: flags.list('config') } : {}),
  })
  const started = await startServer(loaded, { insecure, adminMayMove: false })
  if (insecure) started.log.warn('--insecure: nobody has to log in, and everybody who reaches this server can use NATS')
  warnAboutNode(started.log)
  return runUntilEnd(started)
}
