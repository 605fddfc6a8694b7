// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from './fake-machine.test-support.ts'
import { isAlive, withLock } from './lock-file.ts'
import { waitUntil } from './wait-until.test-support.ts'

function within(): { signal: AbortSignal; pollMs: number } {
  return { signal: AbortSignal.timeout(60_000), pollMs: 2 }
}

function deadPid(): number {
  return Number(execFileSync('/bin/sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
}

describe('withLock', () => {
  it('lets one in at a time and leaves no file behind', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'lock')
    let inside = 0
    let most = 0
    const run = (): Promise<number> =>
      withLock(path, within(), async () => {
        most = Math.max(most, ++inside)
        expect(Number(readFileSync(path, 'utf8').split(' ')[0])).toBe(process.pid)
        await turn()
        return inside--
      })
    expect(await Promise.all(Array.from({ length: 12 }, run))).toHaveLength(12)
    expect(most).toBe(1)
    expect(await readdir(folder)).toEqual([])
  })

  it('is released when the work fails', async () => {
    const path = join(await temporaryFolder(), 'lock')
    await expect(withLock(path, within(), () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(existsSync(path)).toBe(false)
  })

  it('is taken over from a dead owner, by one of many who want it', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'lock')
    await writeFile(path, `${deadPid()} ${hostname()} left-behind\n`)
    let inside = 0
    let most = 0
    const run = (): Promise<void> =>
      withLock(path, within(), async () => {
        most = Math.max(most, ++inside)
        await turn()
        inside--
      })
    await Promise.all(Array.from({ length: 8 }, run))
    expect(most).toBe(1)
    expect(await readdir(folder)).toEqual([])
  })

  it('is taken over by nobody while somebody else is at it, unless that one died there', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'lock')
    await writeFile(path, `${deadPid()} ${hostname()} left-behind\n`)
    await writeFile(`${path}.stale`, '')
    let waits = 0
    let isIn = false
    const second = withLock(path, { ...within(), onWait: () => waits++ }, async () => (isIn = true))
    await waitUntil('it waits', () => waits > 2)
    expect([isIn, readFileSync(path, 'utf8')]).toEqual([false, expect.stringContaining('left-behind')])
    const longAgo = new Date(Date.now() - 61_000)
    await utimes(`${path}.stale`, longAgo, longAgo)
    expect(await second).toBe(true)
    expect(await readdir(folder)).toEqual([])
  })

  it('waits for a living owner, saying for whom', async () => {
    const path = join(await temporaryFolder(), 'lock')
    const waitedFor: number[] = []
    const inside = new EventEmitter()
    const first = withLock(path, within(), () => once(inside, 'leave'))
    await waitUntil('the first is in', () => existsSync(path))
    const second = withLock(path, { ...within(), onWait: (pid) => waitedFor.push(pid) }, async () => 'in')
    await waitUntil('the second waits', () => waitedFor.length > 1)
    inside.emit('leave')
    await first
    expect(await second).toBe('in')
    expect(new Set(waitedFor)).toEqual(new Set([process.pid]))
  })

  it('is taken over from an owner that has not touched it for long, whose pid may be somebody else by now', async () => {
    const path = join(await temporaryFolder(), 'lock')
    await writeFile(path, `${process.pid} ${hostname()} silent\n`)
    const longAgo = new Date(Date.now() - 61_000)
    await utimes(path, longAgo, longAgo)
    expect(await withLock(path, within(), async () => 'in')).toBe('in')
  })

  it('does not judge an owner on another host by its pid', async () => {
    const path = join(await temporaryFolder(), 'lock')
    await writeFile(path, `${deadPid()} another-host x\n`)
    const abort = new AbortController()
    const reason = new Error('enough')
    const onWait = (): void => abort.abort(reason)
    await expect(withLock(path, { pollMs: 2, signal: abort.signal, onWait }, async () => 'in')).rejects.toMatchObject({
      cause: reason,
    })
    expect(existsSync(path)).toBe(true)
  })

  it('does not remove a lock that was taken over from it', async () => {
    const path = join(await temporaryFolder(), 'lock')
    await withLock(path, within(), () => writeFile(path, `${process.pid} ${hostname()} the-next-one\n`))
    expect(readFileSync(path, 'utf8')).toContain('the-next-one')
  })

  it('rejects when its folder does not exist', async () => {
    const path = join(await temporaryFolder(), 'none', 'lock')
    await expect(withLock(path, within(), async () => 'in')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('isAlive', () => {
  it.each([
    [process.pid, true],
    [1, true],
    [0, false],
    [-1, false],
    [Number.NaN, false],
  ])('of %s is %s', (pid, alive) => {
    expect(isAlive(pid)).toBe(alive)
  })
})
