// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { NatsServerBinary, Search } from '../search.ts'
import { inWorkFolder, placeServer } from '../server-cache.ts'
import type { VersionRange } from '../version-range.ts'
import { download } from './download.ts'
import type { Installed } from './installer.ts'
import { tarEntry } from './tar-entry.ts'

const unpack = promisify(gunzip)
const maxUnpackedBytes = 256 * 1024 * 1024
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Installs the pinned release archive into the cache; an archive with another checksum is never unpacked. */
export async function installFromRelease(search: Search, isWanted: VersionRange): Promise<Installed> {
  const { machine } = search
  const { version, sha256 } = machine.releases.pins
  if (!isWanted(version)) return { unwanted: `the release archive is ${version}` }
  const platform = `${machine.platform}-${architectures[machine.arch] ?? machine.arch}`
  const sum = sha256.get(platform)
  if (sum === undefined) {
    search.report('release', 'passed', `there is no pinned checksum of the release archive for ${platform}`)
    return undefined
  }
  const url = `${machine.releases.baseUrl}/v${version}/nats-server-v${version}-${platform}.tar.gz`
  search.report('release', 'started', `downloading ${url}`)
  try {
    return await install(search, await fetchArchive(search, url), sum)
  } catch (error) {
    search.signal.throwIfAborted()
    search.report('release', 'failed', `${url}: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

async function fetchArchive(search: Search, url: string): Promise<Uint8Array> {
  const { env, limits, releases } = search.machine
  let state = 'connecting'
  const text = (seconds: number): string => `${state}, ${seconds} s`
  return search.reporting('release', text, () =>
    download(url, {
      env,
      connectMs: limits.connectMs,
      stallMs: limits.stallMs,
      maxBytes: limits.archiveBytes,
      ...(releases.ca === undefined ? {} : { ca: releases.ca }),
      signal: search.signal,
      onBytes: (received, total) => {
        state = `${mebibytes(received)}${total === undefined ? '' : ` of ${mebibytes(total)}`} received`
      },
    }),
  )
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

async function install(search: Search, archive: Uint8Array, sum: string): Promise<NatsServerBinary> {
  const actual = createHash('sha256').update(archive).digest('hex')
  if (actual !== sum) throw new Error(`the archive has the SHA-256 ${actual} instead of ${sum} and was thrown away`)
  const server = tarEntry(await unpack(archive, { maxOutputLength: maxUnpackedBytes }), 'nats-server')
  if (server === undefined) throw new Error('the archive has no nats-server in it')
  return inWorkFolder(search, async (folder) => {
    const file = join(folder, 'nats-server')
    await writeFile(file, server, { mode: 0o755 })
    return placeServer(search, file, 'release')
  })
}
