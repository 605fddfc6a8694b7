// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { executableName, findExecutables } from '../executable.ts'
import type { Environment } from '../machine.ts'
import { goModule, goVersions } from '../release-pins.ts'
import { runCommand } from '../run-command.ts'
import type { CommandResult } from '../run-command.ts'
import type { NatsServerBinary, Search } from '../search.ts'
import { inWorkFolder, placeServer } from '../server-cache.ts'
import { satisfiesVersion } from '../version-range.ts'
import type { VersionRange } from '../version-range.ts'
import type { Installed } from './installer.ts'

interface Attempt {
  readonly version: string
  readonly toolchain: 'local' | 'auto'
}

// The toolchain at hand first. One that is too old may fetch a newer one, and where it cannot an older server is built.
const attempts: readonly Attempt[] = [
  { version: goVersions.current, toolchain: 'local' },
  { version: goVersions.current, toolchain: 'auto' },
  { version: goVersions.olderGo, toolchain: 'local' },
]

/** Builds nats-server into the cache with the Go toolchain of this machine; Go itself checks what it downloads. */
export async function installFromGo(search: Search, isWanted: VersionRange): Promise<Installed> {
  const wanted = attempts.filter(({ version }) => isWanted(version))
  if (wanted.length === 0) return { unwanted: `go install can give ${goVersions.current} or ${goVersions.olderGo}` }
  const [go] = await findExecutables(search.machine, 'go', search.machine.goFolders)
  if (go === undefined) {
    search.report('go', 'passed', 'there is no Go toolchain on this machine')
    return undefined
  }
  const fault = await toolchainFault(search, go)
  if (fault !== undefined) {
    search.report('go', 'passed', `${go} ${fault}`)
    return undefined
  }
  return build(search, go, wanted)
}

/** Before 1.21 a toolchain can neither build any of the versions nor fetch another toolchain. */
async function toolchainFault(search: Search, go: string): Promise<string | undefined> {
  const env = { ...search.machine.env, GOTOOLCHAIN: 'local' }
  const { probeMs: timeoutMs } = search.machine.limits
  const result = await runCommand({ path: go, args: ['version'], env, timeoutMs, signal: search.signal })
  const version = result.ok ? /\bgo(\d+\.\d+)/.exec(result.output)?.[1] : undefined
  if (version === undefined) return `does not answer "version": ${result.lastLine}`
  return satisfiesVersion(`${version}.0`, '>=1.21')
    ? undefined
    : `is Go ${version}; 1.21 is the oldest that can build a nats-server`
}

async function build(search: Search, go: string, wanted: readonly Attempt[]): Promise<Installed> {
  let tooOld = false
  for (const attempt of wanted) {
    // Fetching a toolchain is of use only after the one at hand turned out to be too old.
    if (attempt.toolchain === 'auto' && !tooOld) continue
    const result = await goInstall(search, go, attempt)
    if (typeof result !== 'string') return result
    if (result === 'failed' && attempt.toolchain === 'local') return undefined
    tooOld = true
  }
  return { unwanted: `${go} is too old for ${goVersions.current} and could build ${goVersions.olderGo}` }
}

/** Builds one version; has reported a failure, but not that the toolchain is too old. */
async function goInstall(
  search: Search,
  go: string,
  attempt: Attempt,
): Promise<NatsServerBinary | 'too old' | 'failed'> {
  const { version, toolchain } = attempt
  const target = `${goModule}@v${version}`
  search.report('go', 'started', `GOTOOLCHAIN=${toolchain} ${go} install ${target} (takes minutes)`)
  try {
    return await inWorkFolder(search, async (folder) => {
      const result = await runInstall(search, go, { ...attempt, target, folder })
      if (result.ok) return placeServer(search, join(folder, executableName(search.machine, 'nats-server')), 'go')
      if (toolchain === 'auto' || !/requires go >=|GOTOOLCHAIN=local/.test(result.output)) {
        throw new Error(faultOf(search, result))
      }
      search.report('go', 'progress', `${go} is too old for nats-server ${version}: ${result.lastLine}`)
      return 'too old'
    })
  } catch (error) {
    search.signal.throwIfAborted()
    search.report('go', 'failed', `go install ${target}: ${error instanceof Error ? error.message : String(error)}`)
    return 'failed'
  }
}

async function runInstall(
  search: Search,
  go: string,
  { version, toolchain, target, folder }: Attempt & { target: string; folder: string },
): Promise<CommandResult> {
  const { env, limits } = search.machine
  let packages = 0
  const text = (seconds: number): string => `building nats-server ${version}: ${packages} packages, ${seconds} s`
  return search.reporting('go', text, () =>
    runCommand({
      path: go,
      args: ['install', '-v', '-trimpath', '-ldflags=-s -w', target],
      env: buildEnvironment(env, toolchain, folder),
      cwd: folder,
      timeoutMs: limits.goMs,
      silentMs: limits.goSilentMs,
      onLine: (line) => {
        if (!line.startsWith('go: ')) packages++
      },
      signal: search.signal,
    }),
  )
}

/** For this machine, into this folder, without a C compiler, whatever the caller's own Go projects are set to. */
function buildEnvironment(env: Environment, toolchain: string, folder: string): Environment {
  const { GOOS: _os, GOARCH: _arch, ...rest } = env
  return { ...rest, GOTOOLCHAIN: toolchain, GOBIN: folder, CGO_ENABLED: '0', GO111MODULE: 'on', GOWORK: 'off' }
}

function faultOf({ machine }: Search, { tooLong, lastLine }: CommandResult): string {
  const { goMs, goSilentMs } = machine.limits
  if (tooLong === 'silent') return `nothing came for ${goSilentMs / 1000} s: the Go module proxy cannot be reached`
  return tooLong === 'timeout' ? `not done after ${goMs / 1000} s` : lastLine
}
