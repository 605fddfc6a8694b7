// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { bundleProgram } from './bundle.test-support.ts'
import { temporaryFolder } from './fake-machine.test-support.ts'
import { startNatsServer } from './nats-server.ts'
import type { StartOptions } from './nats-server.ts'
import { isRunning, waitUntil } from './wait-until.test-support.ts'
import { makeLedger, readLedger, WireClient } from './wire-client.test-support.ts'
import { steadyPort } from './steady-port.ts'

/** A killed parent's broker, watchdog included, is gone within this. */
const promisedMs = 10 * inject('promptMs')

/** Kills at random moments: once in a short run, 20 times in a long one. */
const rounds = Array.from({ length: inject('propertyRuns') > 1000 ? 20 : 1 }, (_, round) => round + 1)

interface StartedServer {
  readonly pid: number
  readonly port: number
  readonly dataDir: string
}

let folder: string
let program: string
beforeAll(async () => {
  // The parent must be a real Node process.
  folder = await mkdtemp(join(tmpdir(), 'nats-edge-test-'))
  program = await bundleProgram(fileURLToPath(new URL('parent.test-program.ts', import.meta.url)), folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const parents: Parent[] = []
afterEach(() => {
  for (const parent of parents.splice(0)) parent.kill('SIGKILL')
})

class Parent {
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(options: readonly StartOptions[]) {
    this.process = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
    parents.push(this)
  }

  /** The first broker the program told of, and all of them. */
  async started(): Promise<readonly [StartedServer, ...StartedServer[]]> {
    const { servers } = JSON.parse(await this.line()) as { servers: [StartedServer, ...StartedServer[]] }
    return servers
  }

  async line(): Promise<string> {
    return String((await this.#lines.next()).value)
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }
}

describe.each(inject('natsServers'))('reliability F20: the parent of nats-server $version', (binary) => {
  it.each(['SIGKILL', 'SIGTERM', 'exit'] as const)(
    'takes its broker and everything beside it along when it ends by %s',
    async (how) => {
      const parent = new Parent([{ binary }])
      const [server] = await parent.started()
      const group = processGroup(server.pid)
      expect(group.length).toBeGreaterThanOrEqual(process.platform === 'linux' ? 2 : 0)
      if (how === 'exit') parent.process.stdin.write('exit\n')
      else parent.kill(how)
      const tookMs = await waitUntil(
        'the broker is gone',
        () => !isRunning(server.pid) && processGroup(server.pid).length === 0,
      )
      expect(tookMs).toBeLessThan(promisedMs)
      await waitUntil('the temporary folder is gone', () => !existsSync(join(server.dataDir, '..')))
    },
  )

  it('takes a frozen broker along too', async () => {
    const parent = new Parent([{ binary }])
    const [server] = await parent.started()
    process.kill(server.pid, 'SIGSTOP')
    parent.kill('SIGKILL')
    const tookMs = await waitUntil(
      'the broker is gone',
      () => !isRunning(server.pid) && processGroup(server.pid).length === 0,
    )
    expect(tookMs).toBeLessThan(promisedMs)
  })

  it.each(rounds)(
    'loses nothing that was acknowledged, and its successor starts at once on the same port and data (%i)',
    async () => {
      const dataDir = await temporaryFolder()
      const port = await steadyPort()
      const first = new Parent([{ binary, dataDir, port }])
      const [{ pid }] = await first.started()
      const client = await WireClient.connect(port)
      await makeLedger(client)
      let acknowledged = 0
      const publishing = Array.from({ length: 20 }, async () => {
        for (;;) {
          const answer = await client.request('ledger', 'x'.repeat(100))
          if (answer.includes('"seq"')) acknowledged++
        }
      })
      expect(publishing).toHaveLength(20)
      // Not a fixed moment: wherever the broker is once it has acknowledged this many.
      const enough = 200 + Math.floor(Math.random() * 300)
      await waitUntil(`${enough} messages were acknowledged`, () => acknowledged >= enough)
      first.kill('SIGKILL')
      const second = new Parent([{ binary, dataDir, port }])
      const [next] = await second.started()
      client.close()
      expect(isRunning(pid)).toBe(false)
      expect(next).toMatchObject({ port, dataDir })
      const reader = await WireClient.connect(port)
      const { messages, lastSequence } = await readLedger(reader)
      reader.close()
      expect(messages).toBeGreaterThanOrEqual(acknowledged)
      expect(lastSequence).toBe(messages)
    },
  )

  it('loses only the broker that is stopped when it has two', async () => {
    const parent = new Parent([{ binary }, { binary }])
    const [first, second] = await parent.started()
    parent.process.stdin.write('stop\n')
    expect(await parent.line()).toBe('{"stopped":true}')
    expect(isRunning(first.pid)).toBe(false)
    const client = await WireClient.connect(second?.port ?? 0)
    client.close()
    parent.kill('SIGKILL')
    const tookMs = await waitUntil('the other is gone', () => processGroup(second?.pid ?? 0).length === 0)
    expect(tookMs).toBeLessThan(promisedMs)
  })
})

describe('the watchdog', () => {
  const [binary] = inject('natsServers')
  if (binary === undefined) throw new Error('there is no nats-server to test with')

  it('holds the pipe of its own broker alone', async () => {
    const parent = new Parent(Array.from({ length: 4 }, () => ({ binary })))
    const servers = await parent.started()
    parent.kill('SIGKILL')
    const gone = (): boolean => servers.every(({ pid }) => processGroup(pid).length === 0)
    expect(await waitUntil('all four are gone', gone)).toBeLessThan(promisedMs)
  })

  it('is not kept waiting by other children of the parent', async () => {
    const server = await startNatsServer({ binary })
    // Inherits whatever this process does not close on exec; the broker's end must still come with stop().
    const other = spawn('/bin/sleep', ['30'], { stdio: 'ignore' })
    try {
      const sockets = (pid: number | undefined): string[] =>
        descriptors(pid).filter((target) => target.startsWith('socket:'))
      expect(sockets(other.pid)).toEqual([])
    } finally {
      other.kill('SIGKILL')
      await server.stop()
    }
  })

  it('is in a group of its own with the broker, so that Ctrl-C reaches the parent first', async () => {
    const server = await startNatsServer({ binary })
    expect(processGroup(server.pid)).toContain(server.pid)
    expect(processGroup(process.pid)).not.toContain(server.pid)
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
    // The watchdog is no child of this process: it was killed, and nobody says when it has died.
    await waitUntil('the watchdog is gone', () => processGroup(server.pid).length === 0)
  })
})

/** The running processes of a group, from /proc; empty where there is none. */
function processGroup(group: number): number[] {
  if (process.platform !== 'linux') return isRunning(group) ? [group] : []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isRunning(pid) && groupOf(pid) === group)
}

function groupOf(pid: number): number | undefined {
  try {
    // After the command in parentheses: state, parent, group.
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[2])
  } catch {
    return undefined
  }
}

function descriptors(pid: number | undefined): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkOf(`/proc/${pid}/fd/${fd}`))
}

function readlinkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
