// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { NodeProcess } from './node-process.ts'
import type * as nodeProcess from './node-process.ts'
import { loadRows } from './row-list.ts'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('..', import.meta.url))
const program = join(folder, 'dist/main.js')
let scratch: string
let env: NodeJS.ProcessEnv

// Programs run built, as `npm run bench` does: Node 20 cannot run TypeScript.
beforeAll(async () => {
  const tsc = createRequire(import.meta.url).resolve('typescript/package.json')
  await run(process.execPath, [join(tsc, '../bin/tsc'), '-b', join(folder, 'tsconfig.build.json')])
  scratch = await mkdtemp(join(tmpdir(), 'nats-edge-bench-test-'))
  const servers = inject('natsServers').map(({ path }) => path)
  env = {
    ...process.env,
    NATS_EDGE_TEST_SERVERS: servers.join(','),
    INIT_CWD: scratch,
    TMPDIR: scratch,
    // What is to be shown needs no Go reference, which takes a minute to build.
    GOPROXY: 'off',
  }
}, 120_000)

afterAll(async () => {
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function bench(...args: string[]): Promise<Ended> {
  return benchWith(env, ...args)
}

function benchWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}

describe('npm run bench', () => {
  it('runs rows of every kind for a moment, prints them and writes what it measured', async () => {
    const rows = (await loadRows()).map(({ name }) => name).filter(isShown)
    const { code, stdout, stderr } = await bench('--rounds', '1', '--seconds', '0.2', '--json', 'out.json', ...rows)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const written = JSON.parse(await readFile(join(scratch, 'out.json'), 'utf8'))
    expect(written).toMatchObject({ rounds: 1, seconds: 0.2, machine: { node: process.version } })
    expect(written.rows.map(({ name }: { name: string }) => name)).toEqual(rows)
    for (const row of written.rows) {
      expect(stdout).toContain(`${row.name}: ${row.title}`)
      expect([row.subject.errors, row.reference.errors]).toEqual([{}, {}])
      const version = isAlone(row.name) ? undefined : inject('natsServers').at(-1)?.version
      expect(row.natsServer).toBe(version)
      expect(row.gates.length).toBeGreaterThan(1)
      expect(row.ratios.rate).toEqual(spreadOfNumbers)
      // The kernel counts in steps of 10 ms: of a moment it may have seen nothing.
      if (row.reference.cpuSecondsPerOperation > 0) expect(row.ratios.cpu).toEqual(spreadOfNumbers)
      for (const side of [row.subject, row.reference]) {
        expect(side.operations).toBeGreaterThan(0)
        expect(side.cpuSecondsPerOperation).toBeGreaterThanOrEqual(0)
        if (!isFlood(row.name)) expect(side.p99Ms).toBeGreaterThanOrEqual(side.p50Ms)
        expect(side.rounds).toHaveLength(1)
      }
    }
  }, 600_000)

  it('names the rows with --list', async () => {
    const { code, stdout } = await bench('--list')
    expect(code).toBe(0)
    for (const { name, title } of await loadRows()) expect(stdout).toContain(`${name}: ${title}\n`)
  })

  it('explains itself with --help', async () => {
    const { code, stdout } = await bench('--help')
    expect(code).toBe(0)
    expect(stdout).toContain('--rounds N')
  })

  it.each([
    { args: ['--row', 'x'], says: '--row' },
    { args: ['--rows', 'x'], says: '--rows x: no such row' },
    { args: ['--seconds', '0'], says: '--seconds 0' },
  ])('ends with 2 and the usage for $args', async ({ args, says }) => {
    const { code, stderr } = await bench(...args)
    expect(code).toBe(2)
    expect(stderr).toContain(says)
    expect(stderr).toContain('Usage: npm run bench')
  })

  it('ends with 1 and says why when a run cannot start', async () => {
    const { code, stderr } = await benchWith(
      { ...env, NATS_EDGE_TEST_SERVERS: process.execPath },
      '--rows',
      'bus-request',
    )
    expect(code).toBe(1)
    expect(stderr).toContain(`${process.execPath} -v printed`)
  })
})

describe('NodeProcess', () => {
  const startedProcesses: NodeProcess[] = []

  afterEach(async () => {
    for (const started of startedProcesses.splice(0)) await started.stop()
  })

  async function start(name: string, source: string, profileDirectory?: string): Promise<NodeProcess> {
    const built = (await import(pathToFileURL(join(folder, 'dist/node-process.js')).href)) as typeof nodeProcess
    const module = join(scratch, `${name}.mjs`)
    const channel = pathToFileURL(join(folder, 'dist/command-channel.js')).href
    await writeFile(module, `import { announceReady, answerCommands } from '${channel}'\n${source}`)
    const started = new built.NodeProcess({ name, module, outputFile: join(scratch, `${name}.log`), profileDirectory })
    startedProcesses.push(started)
    return started
  }

  it('tells what the program announced, answers commands and passes failures on', async () => {
    const started = await start(
      'answering',
      `answerCommands({ double: (n) => n * 2, fail: () => { throw new Error('no luck') } })
       announceReady({ port: 7 })`,
    )
    expect(await started.ready()).toEqual({ port: 7 })
    expect(await started.call('double', 21)).toBe(42)
    await expect(started.call('fail')).rejects.toThrow(/answering: .*no luck/)
  })

  it('reads the CPU time that the program used', async () => {
    const started = await start(
      'burning',
      `answerCommands({
         burn: (ms) => {
           const from = process.cpuUsage()
           const burnt = () => process.cpuUsage(from).user + process.cpuUsage(from).system
           while (burnt() < ms * 1000);
         },
       })
       announceReady()`,
    )
    await started.ready()
    const before = await started.cpuSeconds()
    await started.call('burn', 200)
    // The kernel counts in steps of 10 ms, twice.
    expect((await started.cpuSeconds()) - before).toBeGreaterThan(0.15)
  })

  it('fails with the last output of a program that ends', async () => {
    const started = await start('ending', `console.error('out of luck'); process.exitCode = 3`)
    await expect(started.ready()).rejects.toThrow(/ending ended with code 3.*\n.*out of luck/)
    await expect(started.call('cpu')).rejects.toThrow('ending is not running')
  })

  it('fails what was asked of a program that ends meanwhile', async () => {
    const started = await start(
      'dying',
      `answerCommands({ die: () => process.kill(process.pid, 'SIGKILL') }); announceReady()`,
    )
    await started.ready()
    await expect(started.call('die')).rejects.toThrow('dying ended with SIGKILL')
  })

  it('does not wait for an answer for ever', async () => {
    const started = await start('silent', `announceReady()`)
    await started.ready()
    await expect(started.call('unknown', undefined, 50)).rejects.toThrow('silent did not answer "unknown" in time')
  })

  it('leaves a profile when it is stopped', async () => {
    const started = await start('profiled', `announceReady()`, scratch)
    await started.ready()
    await started.stop()
    const { nodes } = JSON.parse(await readFile(join(scratch, 'profiled.cpuprofile'), 'utf8'))
    expect(nodes.length).toBeGreaterThan(0)
  })

  it('keeps settings of the machine away from the program', async () => {
    vi.stubEnv('NATS_EDGE_LOG_LEVEL', 'trace')
    vi.stubEnv('NODE_OPTIONS', '--no-warnings')
    try {
      const started = await start('plain', `announceReady([process.env.NATS_EDGE_LOG_LEVEL, process.env.NODE_OPTIONS])`)
      expect(await started.ready()).toEqual([undefined, undefined])
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

// Which processes belong to whom is read from /proc.
describe.runIf(process.platform === 'linux')('a run that is ended early', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)('leaves no process behind after %s', async (signal) => {
    const child = spawn(process.execPath, [program, '--rows', 'bus-request', '--rounds', '100', '--seconds', '0.5'], {
      env,
    })
    await untilRound(child)
    const started = await descendants(child.pid ?? 0)
    expect(started.length).toBeGreaterThanOrEqual(4)
    const exited = once(child, 'exit')
    child.kill(signal)
    const [code] = await exited
    expect(code).toBe(signal === 'SIGINT' ? 130 : null)
    await vi.waitFor(async () => expect(await stillRunning(started)).toEqual([]), { timeout: 10_000, interval: 50 })
  })
})

/** Rows that differ from others in a size only are run once. */
const wireRows = new Set([
  'wire-tcp-publish-16',
  'wire-tcp-deliver-64k',
  'wire-frame-deliver-128',
  'wire-latency-request-ws',
  'wire-idle-tcp',
])

/** The same, and those that need thousands of connections are not run at all. */
const wsRows = new Set(['ws-echo-latency', 'ws-backend-nats'])

function isShown(name: string): boolean {
  return !/^(wire|ws)-/.test(name) || wireRows.has(name) || wsRows.has(name)
}

/** Rows without a broker. */
function isAlone(name: string): boolean {
  return name.startsWith('parser') || (name.startsWith('ws-') && name !== 'ws-backend-nats')
}

/** Loads that send as fast as they can take no latencies. */
function isFlood(name: string): boolean {
  return /^wire-(tcp|ws|frame)-/.test(name)
}

const spreadOfNumbers = { median: expect.any(Number), lowest: expect.any(Number), highest: expect.any(Number) }

/** Goes on to read: a run that nobody listens to may end by itself. */
async function untilRound(child: ChildProcess): Promise<void> {
  let text = ''
  let isOver = false
  child.once('close', () => (isOver = true))
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += String(chunk)))
  await vi.waitUntil(() => isOver || text.includes('round 1 of'), { timeout: 50_000 })
  if (isOver) throw new Error(`the run ended before its first round: ${text}`)
}

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** Tells a process from a later one with the same id. */
  readonly startedAt: string
}

async function statOf(pid: number): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // A zombie has ended; only its parent has not noticed yet.
  return fields.length < 20 || fields[0] === 'Z'
    ? undefined
    : { pid, parent: Number(fields[1]), startedAt: fields[19] ?? '' }
}

async function descendants(root: number): Promise<ProcessStat[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid) && pid > 0)
  const all = (await Promise.all(pids.map(statOf))).filter((stat) => stat !== undefined)
  const found: ProcessStat[] = []
  for (const parents = new Set([root]); ;) {
    const next = all.filter(({ pid, parent }) => parents.has(parent) && !parents.has(pid))
    if (next.length === 0) return found
    for (const stat of next) parents.add(stat.pid)
    found.push(...next)
  }
}

async function stillRunning(started: readonly ProcessStat[]): Promise<number[]> {
  const now = await Promise.all(started.map(({ pid }) => statOf(pid)))
  return now
    .filter((stat, at) => stat !== undefined && stat.startedAt === started[at]?.startedAt)
    .map((stat) => stat?.pid ?? 0)
}
