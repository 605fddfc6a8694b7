// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { executableName, probeServer } from './executable.ts'
import { isAlive } from './lock-file.ts'
import type { FindStepName, NatsServerBinary, Search } from './search.ts'
import { compareVersions } from './version-range.ts'

const workPrefix = '.work-'

/** Where the nats-servers of this cache folder live, one folder a version. */
export function serverFolder(search: Search): string {
  return join(search.cacheDir, 'nats-server')
}

/** The installed nats-servers of the cache that still answer, newest first. */
export async function cachedServers(search: Search): Promise<NatsServerBinary[]> {
  const folder = serverFolder(search)
  const names = await readdir(folder).catch((): string[] => [])
  const found: NatsServerBinary[] = []
  for (const name of names
    .filter((entry) => /^\d/.test(entry))
    .sort(compareVersions)
    .toReversed()) {
    const path = join(folder, name, executableName(search.machine, 'nats-server'))
    const probe = await probeServer(path, search.machine, search.signal)
    if ('version' in probe) found.push({ path, version: probe.version, source: 'cache' })
    else search.report('cache', 'passed', `${path} ${probe.fault}`)
  }
  return found
}

/** A folder of its own for one install, on the cache's file system, gone afterwards. */
export async function inWorkFolder<Result>(search: Search, run: (folder: string) => Promise<Result>): Promise<Result> {
  await removeAbandoned(serverFolder(search))
  const folder = await mkdtemp(join(serverFolder(search), `${workPrefix}${process.pid}-`))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Moves a fresh nats-server to its place in the cache once it has answered; rejects when it does not. */
export async function placeServer(search: Search, file: string, source: FindStepName): Promise<NatsServerBinary> {
  await chmod(file, 0o755)
  const probe = await probeServer(file, search.machine, search.signal)
  if ('fault' in probe) throw new Error(`the installed file ${probe.fault}`)
  const folder = join(serverFolder(search), probe.version)
  await mkdir(folder, { recursive: true })
  const path = join(folder, executableName(search.machine, 'nats-server'))
  // Work folder and place are on one file system, so this is one step: nobody ever runs half a file.
  await rename(file, path)
  return { path, version: probe.version, source }
}

/** Removes what installs left behind whose process was killed. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = name.startsWith(workPrefix) ? Number(name.slice(workPrefix.length).split('-')[0]) : undefined
    if (pid !== undefined && !isAlive(pid)) await rm(join(folder, name), { recursive: true, force: true })
  }
}
