// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathFolders } from './machine.ts'
import type { Machine } from './machine.ts'
import { runCommand } from './run-command.ts'

/** What a file said when it was asked for its version. */
export type Probe = { readonly version: string } | { readonly fault: string }

/** The executables of this name on PATH and then in more folders, each file once. */
export async function findExecutables(machine: Machine, name: string, more: readonly string[] = []): Promise<string[]> {
  const file = executableName(machine, name)
  const seen = new Set<string>()
  const found: string[] = []
  for (const folder of [...pathFolders(machine), ...more]) {
    const path = join(folder, file)
    const real = await executableFile(path)
    if (real === undefined || seen.has(real)) continue
    seen.add(real)
    found.push(path)
  }
  return found
}

/** The file name of a program on this platform. */
export function executableName({ platform }: Machine, name: string): string {
  return platform === 'win32' ? `${name}.exe` : name
}

/** Asks a nats-server for its version; a file that does not answer like one is not accepted. */
export async function probeServer(path: string, machine: Machine, signal: AbortSignal): Promise<Probe> {
  if ((await executableFile(path)) === undefined) return { fault: 'is not an executable file' }
  const result = await runCommand({ path, args: ['-v'], env: machine.env, timeoutMs: machine.limits.probeMs, signal })
  const version = result.ok ? /^nats-server: v(\d+\.\d+\.\d+\S*)/m.exec(result.output)?.[1] : undefined
  return version === undefined ? { fault: `does not answer "-v" like a nats-server: ${result.lastLine}` } : { version }
}

async function executableFile(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path)
    if (!(await stat(real)).isFile()) return undefined
    await access(real, constants.X_OK)
    return real
  } catch {
    return undefined
  }
}
