// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Bench } from './bench.ts'
import { type BenchProcess, cpuSecondsOf, memoryBytesOf } from './bench-process.ts'

const run = promisify(execFile)
const buildMs = 300_000
const readyMs = 10_000
const built = new Map<string, Promise<string>>()

/** A program that has said what there is to know of it. */
export interface GoProgram {
  readonly process: BenchProcess
  /** The line of JSON it printed when it was ready. */
  readonly value: unknown
}

/**
 * Builds `reference/<name>` once for a run, its modules from the Go module proxy, and starts it; it ends with its standard
 * input. Rejects with the reason where there is no Go toolchain or a module cannot be had.
 */
export async function startGoProgram(bench: Bench, name: string, args: readonly string[]): Promise<GoProgram> {
  const program = await buildOnce(name, (line) => bench.tell(line))
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const { pid } = child
  if (pid === undefined) throw new Error(`${program} cannot be started`)
  const process: BenchProcess = {
    name,
    cpuSeconds: () => cpuSecondsOf(pid),
    memoryBytes: () => memoryBytesOf(pid),
    stop: async () => {
      child.stdin.end()
      await exited
    },
  }
  bench.add(process)
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(readyMs) })) as [string]
  return { process, value: JSON.parse(line) as unknown }
}

function buildOnce(name: string, onStep: (line: string) => void): Promise<string> {
  let program = built.get(name)
  if (program === undefined) {
    onStep(`building ${name}`)
    program = build(name)
    built.set(name, program)
  }
  return program
}

async function build(name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `nats-edge-${name}-`))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  // A copy: the build writes down the checksums of what it has found.
  await cp(fileURLToPath(new URL(`../reference/${name}`, import.meta.url)), directory, { recursive: true })
  const output = join(directory, name)
  try {
    await run('go', ['build', '-mod=mod', '-o', output, '.'], { cwd: directory, timeout: buildMs })
  } catch (error) {
    throw new Error(`reference not built: ${reasonOf(error)}`, { cause: error })
  }
  return output
}

function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error)
  if ('code' in error && error.code === 'ENOENT') return 'there is no Go toolchain: go is not on PATH'
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : ''
  const text = stderr === '' && 'message' in error ? String(error.message) : stderr
  return text.split('\n').slice(-2).join(' ').replaceAll(/\s+/g, ' ')
}
