// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'

/** A program the tests run but do not bring: where it is, or why there is none. */
export type SystemProgram = { readonly path: string } | { readonly missing: string }

/** What a program is called, where else it lies, and which Debian package holds it. */
export interface Wanted {
  readonly variable: string
  readonly names: readonly string[]
  readonly places: readonly string[]
  readonly debianPackage: string
  /** What to do where this machine's package manager cannot give it. */
  readonly advice: string
}

export const chromium: Wanted = {
  variable: 'CHROMIUM_BIN',
  names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  places: [
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ],
  debianPackage: 'chromium',
  advice: 'install Chromium or Google Chrome, or set CHROMIUM_BIN to its path',
}

export const redisServer: Wanted = {
  variable: 'REDIS_SERVER_BIN',
  // Debian's redis-check-rdb is the server under another name. It comes without the package that starts a service.
  names: ['redis-server', 'redis-check-rdb'],
  places: ['/usr/local/sbin/redis-server', '/opt/homebrew/bin/redis-server'],
  debianPackage: 'redis-tools',
  advice: 'install redis-server (on macOS: brew install redis), or set REDIS_SERVER_BIN to its path',
}

/** What a command is given at most: a download that is cut off leaves nothing behind, an installation might. */
const limits = { updateMs: 120_000, downloadMs: 240_000, installMs: 300_000 }

/** Finds a program on this machine. */
export async function findProgram(wanted: Wanted): Promise<SystemProgram> {
  const named = process.env[wanted.variable]
  if (named)
    return (await isExecutable(named)) ? { path: named } : { missing: `${wanted.variable}=${named} is no program` }
  const path = (await findOnPath(wanted.names)) ?? (await firstExecutable(wanted.places))
  return path === undefined ? { missing: wanted.advice } : { path }
}

function findOnPath(names: readonly string[]): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder))
  return firstExecutable(names.flatMap((name) => folders.map((folder) => join(folder, name))))
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isExecutable(path)) return path
  return undefined
}

/** Finds a program or, as root of a Debian, installs the package that holds it, telling each command before it runs. */
export async function findOrInstall(wanted: Wanted, tell: (line: string) => void): Promise<SystemProgram> {
  const found = await findProgram(wanted)
  if ('path' in found || process.env[wanted.variable] || (await findOnPath(['apt-get'])) === undefined) return found
  if (process.getuid?.() !== 0) return { missing: `run sudo apt-get install ${wanted.debianPackage}` }
  try {
    await installPackage(wanted.debianPackage, tell)
  } catch (error) {
    return { missing: `${wanted.advice} (${faultOf(error)})` }
  }
  return findProgram(wanted)
}

async function installPackage(name: string, tell: (line: string) => void): Promise<void> {
  const install = ['install', '-y', '--no-install-recommends', '-o', 'Acquire::http::Timeout=20', name]
  const steps = async (): Promise<void> => {
    await aptGet([...install, '--download-only'], limits.downloadMs, tell)
    await aptGet(install, limits.installMs, tell)
  }
  if (!(await isKnown(name))) await aptGet(['update'], limits.updateMs, tell)
  try {
    await steps()
  } catch (error) {
    // Lists from some time ago name files the mirror has replaced since.
    if (!/404|Failed to fetch|Unable to fetch/.test(faultOf(error))) throw error
    await aptGet(['update'], limits.updateMs, tell)
    await steps()
  }
}

async function isKnown(name: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)('apt-cache', ['policy', name], { env: { ...process.env, LC_ALL: 'C' } })
  return /^ *Candidate: (?!\(none\))/m.test(stdout)
}

/** One apt-get at a time, also where two test runs begin together: the second finds the work done. */
async function aptGet(args: readonly string[], timeout: number, tell: (line: string) => void): Promise<void> {
  const begin = performance.now()
  tell(`apt-get ${args.join(' ')}`)
  // Without a fork, so that a signal reaches apt-get itself.
  const lock = ['--no-fork', '--timeout', String(limits.downloadMs / 1000), join(tmpdir(), 'nats-edge-apt.lock')]
  await promisify(execFile)('flock', [...lock, 'apt-get', '-q', ...args], {
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    timeout,
    killSignal: 'SIGINT',
    maxBuffer: 2 ** 24,
  })
  tell(`apt-get ${args[0]} took ${Math.round((performance.now() - begin) / 1000)} s`)
}

function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('killed' in error && error.killed === true) return 'apt-get took too long'
  const output = 'stderr' in error ? String(error.stderr) : ''
  return /^E: .*$/m.exec(output)?.[0] ?? error.message.trim().split('\n').at(-1) ?? ''
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
