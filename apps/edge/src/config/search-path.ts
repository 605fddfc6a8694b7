// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const extensions = ['yaml', 'yml', 'json']

/** The files that are looked for when no `-c` is given, best first. */
export function searchPath(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const home = env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? homedir(), '.config')
  const stems = ['nats-edge', join(home, 'nats-edge', 'config'), '/etc/nats-edge/config']
  return stems.flatMap((stem) => extensions.map((extension) => `${stem}.${extension}`))
}

/** The first file of the search path that exists. */
export function findConfigFile(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return searchPath(env).find((path) => existsSync(path))
}
