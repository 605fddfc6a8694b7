// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { releasePins } from './release-pins.ts'
import type { ReleasePins } from './release-pins.ts'

/** The environment variables a search reads and gives to the commands it runs. */
export type Environment = Readonly<Record<string, string | undefined>>

/** All that a search takes from the machine it runs on, so that a test can hand it another one. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly arch: string
  readonly env: Environment
  readonly isRoot: boolean
  /** Whether systemd runs this machine: a package with a service would start it. */
  readonly hasSystemd: boolean
  /** Searched for nats-server after PATH. */
  readonly serverFolders: readonly string[]
  /** Searched for go after PATH. */
  readonly goFolders: readonly string[]
  readonly releases: { readonly baseUrl: string; readonly pins: ReleasePins; readonly ca?: string }
  readonly limits: SearchLimits
}

/** How long and how much a search takes at most. */
interface SearchLimits {
  readonly probeMs: number
  readonly connectMs: number
  readonly stallMs: number
  readonly archiveBytes: number
  /** A Go toolchain that has not said anything by then cannot reach its module proxy. */
  readonly goSilentMs: number
  readonly goMs: number
  readonly systemMs: number
  readonly progressMs: number
}

const limits: SearchLimits = {
  probeMs: 10_000,
  connectMs: 5000,
  stallMs: 15_000,
  archiveBytes: 64 * 1024 * 1024,
  goSilentMs: 30_000,
  goMs: 600_000,
  systemMs: 600_000,
  progressMs: 2000,
}

/** The machine this process runs on. */
export function thisMachine(env: Environment): Machine {
  const home = homeOf(env)
  const goPath = env['GOPATH']?.split(pathSeparator(process.platform))[0]
  const goBin = [env['GOBIN'], goPath && join(goPath, 'bin'), join(home, 'go', 'bin')]
  const serverFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin', ...goBin]
  const goRoot = env['GOROOT']
  return {
    platform: process.platform,
    arch: process.arch,
    env,
    isRoot: process.getuid?.() === 0,
    hasSystemd: existsSync('/run/systemd/system'),
    serverFolders: serverFolders.filter((folder) => folder !== undefined && isAbsolute(folder)).map(String),
    goFolders: [...(goRoot ? [join(goRoot, 'bin')] : []), '/usr/local/go/bin', '/usr/lib/go/bin', '/opt/homebrew/bin'],
    releases: { baseUrl: 'https://github.com/nats-io/nats-server/releases/download', pins: releasePins },
    limits,
  }
}

/** The folder installs are kept in: `NATS_EDGE_CACHE_DIR`, else where this platform keeps caches. */
export function cacheFolder({ platform, env }: Pick<Machine, 'platform' | 'env'>): string {
  const own = env['NATS_EDGE_CACHE_DIR']
  if (own) return own
  const home = homeOf(env)
  const base = {
    darwin: join(home, 'Library', 'Caches'),
    win32: env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'),
    other: env['XDG_CACHE_HOME'] || join(home, '.cache'),
  }
  return join(base[platform === 'darwin' || platform === 'win32' ? platform : 'other'], 'nats-edge')
}

/** The absolute folders of PATH, in order; relative ones are left out, they would depend on where the process was started. */
export function pathFolders({ platform, env }: Pick<Machine, 'platform' | 'env'>): string[] {
  const path = env['PATH'] ?? env['Path'] ?? ''
  return path.split(pathSeparator(platform)).filter((folder) => isAbsolute(folder))
}

function pathSeparator(platform: NodeJS.Platform): string {
  return platform === 'win32' ? ';' : ':'
}

function homeOf(env: Environment): string {
  return env['HOME'] || env['USERPROFILE'] || homedir()
}
