// SPDX-License-Identifier: Apache-2.0
import { findExecutables, probeServer } from './executable.ts'
import { installNatsServer } from './install-nats-server.ts'
import { cacheFolder, thisMachine } from './machine.ts'
import type { Machine } from './machine.ts'
import { NatsServerError, NatsServerNotFound } from './nats-server-error.ts'
import { oldestVersion } from './release-pins.ts'
import { Search } from './search.ts'
import type { FindOptions, NatsServerBinary } from './search.ts'
import { cachedServers } from './server-cache.ts'

/** Finds nats-server, or installs one; rejects with `NatsServerNotFound` when neither works. */
export function findNatsServer(options: FindOptions = {}): Promise<NatsServerBinary> {
  return findOn(thisMachine(options.env ?? process.env), options)
}

/** Finds nats-server on a given machine. */
export async function findOn(machine: Machine, options: FindOptions): Promise<NatsServerBinary> {
  const search = new Search(options, machine, { version: oldestVersion, cacheDir: cacheFolder(machine) })
  search.signal.throwIfAborted()
  try {
    return await lookEverywhere(search, options.install ?? 'auto')
  } catch (error) {
    search.signal.throwIfAborted()
    throw error
  }
}

async function lookEverywhere(search: Search, mode: 'auto' | 'never'): Promise<NatsServerBinary> {
  const named = await namedServer(search)
  if (named) return named
  const onPath = await serverOnPath(search)
  if (onPath && search.isPreferred(onPath.version)) return found(search, onPath)
  const cached = await cachedServer(search)
  if (cached && search.isPreferred(cached.version)) return found(search, cached)
  const spare = onPath ?? cached
  const installed = await install(search, mode, spare !== undefined)
  if (installed) return found(search, installed)
  if (spare === undefined) throw new NatsServerNotFound(search.version, search.results)
  return found(search, spare)
}

function found(search: Search, binary: NatsServerBinary): NatsServerBinary {
  const { path, version, source } = binary
  const warning = search.isPreferred(version)
    ? ''
    : `; warning: ${version} is not within the preferred ${search.preferred}`
  search.report(source, 'found', `${path} is nats-server ${version}${warning}`)
  return binary
}

/** The server NATS_SERVER_BIN names. Somebody asked for this one, so a fault is an error and no reason to look elsewhere. */
async function namedServer(search: Search): Promise<NatsServerBinary | undefined> {
  const path = search.machine.env['NATS_SERVER_BIN']
  if (!path) {
    search.report('env', 'passed', 'NATS_SERVER_BIN is not set')
    return undefined
  }
  const probe = await probeServer(path, search.machine, search.signal)
  const fault = 'fault' in probe ? probe.fault : search.isUsable(probe.version) ? '' : outside(search, probe.version)
  if ('fault' in probe || fault !== '') {
    search.report('env', 'failed', `NATS_SERVER_BIN: ${path} ${fault}`)
    throw new NatsServerError('bad_binary', `NATS_SERVER_BIN: ${path} ${fault}; correct the path or unset it`)
  }
  return found(search, { path, version: probe.version, source: 'env' })
}

/** The first preferred server on PATH and in the usual folders, else the first usable one. */
async function serverOnPath(search: Search): Promise<NatsServerBinary | undefined> {
  const { machine, signal } = search
  const usable: NatsServerBinary[] = []
  const paths = await findExecutables(machine, 'nats-server', machine.serverFolders)
  if (paths.length === 0) search.report('path', 'passed', 'no nats-server on PATH or in the usual folders')
  for (const path of paths) {
    const probe = await probeServer(path, machine, signal)
    if ('fault' in probe) search.report('path', 'passed', `${path} ${probe.fault}`)
    else if (!search.isUsable(probe.version))
      search.report('path', 'passed', `${path} ${outside(search, probe.version)}`)
    else usable.push({ path, version: probe.version, source: 'path' })
  }
  return choose(search, usable)
}

async function cachedServer(search: Search): Promise<NatsServerBinary | undefined> {
  const servers = await cachedServers(search)
  const usable = servers.filter(({ version }) => search.isUsable(version))
  if (usable.length === 0) {
    const versions = servers.map(({ version }) => version).join(', ')
    const text = servers.length === 0 ? 'holds no nats-server' : `holds ${versions}, nothing within ${search.version}`
    search.report('cache', 'passed', `${search.cacheDir} ${text}`)
  }
  return choose(search, usable)
}

function choose(search: Search, usable: readonly NatsServerBinary[]): NatsServerBinary | undefined {
  const preferred = usable.find(({ version }) => search.isPreferred(version))
  const spare = preferred ?? usable[0]
  if (spare && !preferred) {
    const text = `${spare.path} is ${spare.version}, not within the preferred ${search.preferred}: kept in case there is no better one`
    search.report(spare.source, 'passed', text)
  }
  return spare
}

function outside(search: Search, version: string): string {
  return `is ${version}, not within ${search.version}`
}

/** With something usable at hand only a preferred version is worth an install. */
async function install(
  search: Search,
  mode: 'auto' | 'never',
  hasSpare: boolean,
): Promise<NatsServerBinary | undefined> {
  if (mode === 'never') {
    search.report('release', 'passed', 'nothing is installed: the search was told never to')
    return undefined
  }
  return installNatsServer(search, hasSpare)
}
