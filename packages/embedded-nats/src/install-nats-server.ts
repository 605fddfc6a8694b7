// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installFromGo } from './install/go.ts'
import type { Installed, Installer } from './install/installer.ts'
import { installFromRelease } from './install/release.ts'
import { installFromSystem } from './install/system.ts'
import { withLock } from './lock-file.ts'
import type { FindStepName, NatsServerBinary, Search } from './search.ts'
import { cachedServers, serverFolder } from './server-cache.ts'

const installers: ReadonlyMap<FindStepName, Installer> = new Map([
  ['release', installFromRelease],
  ['go', installFromGo],
  ['system', installFromSystem],
])

/**
 * Installs nats-server the first way that works. A preferred version is tried in every way first; a merely usable one comes
 * next, unless there is one on the machine already.
 */
export async function installNatsServer(search: Search, hasSpare: boolean): Promise<NatsServerBinary | undefined> {
  const fault = await cacheFault(search)
  if (fault !== undefined) {
    search.report('cache', 'failed', `nothing can be kept in ${search.cacheDir} (${fault}): set NATS_EDGE_CACHE_DIR`)
    return tryInstallers(search, hasSpare, new Map([['system', installFromSystem]]))
  }
  // Another process that installs right now may be about to give us what we want.
  const waiting = waitReporter(search)
  return withLock(
    join(serverFolder(search), '.install.lock'),
    { signal: search.signal, onWait: waiting.report },
    async () => {
      const accepts = hasSpare ? search.isPreferred : search.isUsable
      const done = waiting.waited() ? (await cachedServers(search)).find(({ version }) => accepts(version)) : undefined
      return done ?? (await tryInstallers(search, hasSpare, installers))
    },
  )
}

function waitReporter(search: Search): { report(pid: number): void; waited(): boolean } {
  let reportedAt = -Infinity
  return {
    waited: () => reportedAt > -Infinity,
    report: (pid) => {
      if (performance.now() - reportedAt < search.machine.limits.progressMs) return
      reportedAt = performance.now()
      search.report('cache', 'progress', `waiting for the install by process ${pid}`)
    },
  }
}

async function tryInstallers(
  search: Search,
  hasSpare: boolean,
  ways: ReadonlyMap<FindStepName, Installer>,
): Promise<NatsServerBinary | undefined> {
  const others = new Map<FindStepName, Installer>()
  for (const [step, install] of ways) {
    const installed = await install(search, search.isPreferred)
    if (isBinary(installed)) return installed
    if (installed === undefined) continue
    search.report(step, 'passed', `${installed.unwanted}, not within ${search.preferred}`)
    others.set(step, install)
  }
  if (hasSpare || search.preferred === search.version) return undefined
  // Only ways that work but had nothing preferred are worth a second look.
  for (const install of others.values()) {
    const installed = await install(search, search.isUsable)
    if (isBinary(installed)) return installed
  }
  return undefined
}

function isBinary(installed: Installed): installed is NatsServerBinary {
  return installed !== undefined && 'path' in installed
}

/** What keeps the cache from being written, found by writing to it: permissions alone say nothing of a full or read-only disk. */
async function cacheFault(search: Search): Promise<string | undefined> {
  const trial = join(serverFolder(search), `.trial-${randomUUID()}`)
  try {
    await mkdir(serverFolder(search), { recursive: true })
    await writeFile(trial, 'written to see whether it can be')
    await rm(trial)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
