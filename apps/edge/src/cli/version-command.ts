// SPDX-License-Identifier: Apache-2.0
import { findNatsServer } from '@nats-edge/embedded-nats'
import { edgeVersion } from '../version.ts'
import { exitCode } from './exit-code.ts'
import type { ExitCode } from './exit-code.ts'
import { parseFlags } from './options.ts'
import type { Terminal } from './terminal.ts'

/** Prints the versions a bug report needs; installs nothing. */
export async function versionCommand(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const flags = parseFlags(args, { json: { type: 'boolean' } })
  const server = await findNatsServer({ install: 'never' }).catch(() => undefined)
  const versions = { 'nats-edge': edgeVersion, node: process.version.slice(1), 'nats-server': server?.version ?? null }
  if (flags.has('json')) terminal.out(JSON.stringify({ ...versions, 'nats-server-path': server?.path ?? null }))
  else {
    const where = server === undefined ? 'nats-server: none found' : `nats-server ${server.version} (${server.path})`
    terminal.out(`nats-edge ${edgeVersion}\nNode ${versions.node}\n${where}`)
  }
  return exitCode.done
}
