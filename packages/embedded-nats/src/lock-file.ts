// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/** How a lock is waited for. */
export interface LockOptions {
  readonly signal: AbortSignal
  /** Called on every look at a lock somebody else holds. */
  readonly onWait?: (ownerPid: number) => void
  readonly pollMs?: number
  /** A lock whose owner has not touched it for so long is taken over. Default 60000: owners touch it every 5 seconds. */
  readonly staleMs?: number
}

const touchMs = 5000

/** Runs something while holding a lock file; a lock whose owner is dead, or silent for a minute, is taken over. */
export async function withLock<Result>(
  path: string,
  options: LockOptions,
  run: () => Promise<Result>,
): Promise<Result> {
  const mine = `${process.pid} ${hostname()} ${randomUUID()}\n`
  await acquire(path, mine, options)
  // The touch also tells a living owner from another process that was given a dead owner's pid.
  const touching = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => {})
  }, touchMs)
  touching.unref()
  try {
    return await run()
  } finally {
    clearInterval(touching)
    // Whoever found this owner silent for too long holds the lock now.
    if ((await readOwner(path))?.text === mine) await rm(path, { force: true })
  }
}

async function acquire(path: string, mine: string, options: LockOptions): Promise<void> {
  for (;;) {
    options.signal.throwIfAborted()
    if (await create(path, mine)) return
    const owner = await readOwner(path)
    if (owner === undefined) continue
    const staleMs = options.staleMs ?? 60_000
    if (isStale(owner, staleMs) && (await removeStale(path, staleMs))) continue
    options.onWait?.(owner.pid)
    await delay(options.pollMs ?? 100, undefined, { signal: options.signal })
  }
}

interface Owner {
  readonly text: string
  readonly pid: number
  readonly host: string
  readonly touchedAt: number
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    const [pid, host = ''] = text.trim().split(' ')
    return { text, pid: Number(pid), host, touchedAt: mtimeMs }
  } catch (error) {
    // Released between the two looks.
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function isStale(owner: Owner, staleMs: number): boolean {
  if (Date.now() - owner.touchedAt > staleMs) return true
  // Its owner is just writing it.
  if (owner.text === '') return false
  return owner.host === hostname() && !isAlive(owner.pid)
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** Removes the lock if it is stale, one process at a time: of two, the slower one would remove the lock of the faster one. */
async function removeStale(path: string, staleMs: number): Promise<boolean> {
  const turn = `${path}.stale`
  if (!(await create(turn, ''))) {
    const other = await readOwner(turn)
    // Whoever had this turn has died in it.
    if (other !== undefined && Date.now() - other.touchedAt > staleMs) await rm(turn, { force: true })
    return false
  }
  try {
    const owner = await readOwner(path)
    if (owner !== undefined && isStale(owner, staleMs)) await rm(path, { force: true })
    return true
  } finally {
    await rm(turn, { force: true })
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
