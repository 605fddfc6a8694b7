// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { temporaryFolder } from './fake-machine.test-support.ts'
import { runCommand } from './run-command.ts'
import type { Command } from './run-command.ts'
import { isRunning, waitUntil } from './wait-until.test-support.ts'

function shell(script: string, more: Partial<Command> = {}): Command {
  const signal = AbortSignal.timeout(30_000)
  return { path: '/bin/sh', args: ['-c', script], env: {}, timeoutMs: 20_000, signal, ...more }
}

/** Holds the limits of commands that are started after this, until the test is over or moves its clock. */
function holdLimits(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe('runCommand', () => {
  it('gives what both outputs said, line by line as it comes', async () => {
    const lines: string[] = []
    const result = await runCommand(shell('echo a; echo; echo " b " >&2', { onLine: (line) => lines.push(line) }))
    expect(result).toMatchObject({ ok: true, tooLong: undefined })
    expect([...lines].sort()).toEqual(['a', 'b'])
    expect(
      result.output
        .split('\n')
        .map((line) => line.trim())
        .sort(),
    ).toEqual(['', '', 'a', 'b'])
  })

  it.each([
    ['echo why; exit 3', 'why'],
    ['exit 3', 'it ended with code 3'],
    ['kill -9 $$', 'it ended with SIGKILL'],
  ])('tells how %j failed', async (script, lastLine) => {
    expect(await runCommand(shell(script))).toMatchObject({ ok: false, lastLine })
  })

  it('tells that a program cannot be run', async () => {
    const path = join(await temporaryFolder(), 'none')
    const result = await runCommand(shell('', { path }))
    expect(result).toMatchObject({ ok: false })
    expect(result.lastLine).toContain('ENOENT')
  })

  it('gives the command the environment and folder it was told, and no other', async () => {
    const cwd = await temporaryFolder()
    const result = await runCommand(shell('echo "$ONLY $HOME"; pwd', { env: { ONLY: 'this' }, cwd }))
    expect(result.output).toBe(`this \n${cwd}\n`)
  })

  it('ends a command that takes too long, and all it started', async () => {
    const folder = await temporaryFolder()
    holdLimits()
    const ended = runCommand(shell(`/bin/sleep 60 & echo $! > ${folder}/new; mv ${folder}/new ${folder}/pid; wait`))
    await waitUntil('it runs', () => existsSync(join(folder, 'pid')))
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    vi.advanceTimersByTime(19_999)
    expect(isRunning(pid)).toBe(true)
    vi.advanceTimersByTime(1)
    expect(await ended).toMatchObject({ ok: false, tooLong: 'timeout' })
    await waitUntil('the sleep is gone', () => !isRunning(pid))
  })

  it('ends a command that says nothing, but not one that has spoken', async () => {
    expect(await runCommand(shell('exec /bin/sleep 60', { silentMs: 100 }))).toMatchObject({
      ok: false,
      tooLong: 'silent',
    })
    const folder = await temporaryFolder()
    holdLimits()
    const lines: string[] = []
    const script = `echo hi; until [ -e ${folder}/go ]; do /bin/sleep 0.02; done`
    const spoken = runCommand(shell(script, { silentMs: 200, onLine: (line) => lines.push(line) }))
    await waitUntil('it has spoken', () => lines.length === 1)
    vi.advanceTimersByTime(10_000)
    writeFileSync(join(folder, 'go'), '')
    expect(await spoken).toMatchObject({ ok: true })
  })

  it('lets a gentle command finish what it is at', async () => {
    const folder = await temporaryFolder()
    const script = `trap 'echo finishing; exit 9' INT; echo > ${folder}/ready; while :; do /bin/sleep 0.02; done`
    holdLimits()
    const ended = runCommand(shell(script, { gentle: true }))
    await waitUntil('it is at something', () => existsSync(join(folder, 'ready')))
    vi.advanceTimersByTime(20_000)
    expect(await ended).toMatchObject({ ok: false, tooLong: 'timeout', lastLine: 'finishing' })
  })

  it('keeps the end of a very long output', async () => {
    const script = 'i=0; while [ $i -lt 5000 ]; do echo "line $i of a very long output"; i=$((i + 1)); done'
    const { output, lastLine } = await runCommand(shell(script))
    expect(output).toHaveLength(65_536)
    expect(lastLine).toBe('line 4999 of a very long output')
  })

  it('rejects with the reason of its signal and leaves no process behind', async () => {
    const folder = await temporaryFolder()
    const abort = new AbortController()
    const reason = new Error('enough')
    const started = waitUntil('it runs', () => existsSync(join(folder, 'pid'))).then(() => abort.abort(reason))
    const script = `/bin/sleep 60 & echo $! > ${folder}/pid; wait`
    await expect(runCommand(shell(script, { signal: abort.signal }))).rejects.toBe(reason)
    await started
    await waitUntil('the sleep is gone', () => !isRunning(Number(readFileSync(join(folder, 'pid'), 'utf8'))))
    await expect(runCommand(shell('echo', { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
  })
})
