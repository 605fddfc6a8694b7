// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { findOn } from './find-nats-server.ts'
import type { Machine } from './machine.ts'
import type { FindOptions, FindStep, NatsServerBinary } from './search.ts'

/** A machine made of one temporary folder; commands are shell scripts in its `bin`, and nothing outside it is ever run. */
export class FakeMachine {
  readonly root: string
  readonly bin: string
  readonly cacheDir: string
  /** Replaces parts of the machine before a search. */
  overrides: Partial<Machine> = {}
  env: Record<string, string> = {}
  limits: Partial<Machine['limits']> = {}
  readonly steps: FindStep[] = []

  constructor(root: string) {
    this.root = root
    this.bin = join(root, 'bin')
    this.cacheDir = join(root, 'cache')
  }

  get machine(): Machine {
    return {
      platform: 'linux',
      arch: 'x64',
      env: { HOME: this.root, PATH: this.bin, ...this.env },
      isRoot: true,
      hasSystemd: false,
      serverFolders: [join(this.root, 'sbin')],
      goFolders: [],
      // Port 9 (discard) answers nobody on loopback.
      releases: { baseUrl: 'http://127.0.0.1:9', pins: { version: '2.14.5', sha256: new Map() } },
      ...this.overrides,
      limits: {
        probeMs: 10_000,
        connectMs: 2000,
        stallMs: 2000,
        archiveBytes: 1_000_000,
        goSilentMs: 10_000,
        goMs: 20_000,
        systemMs: 20_000,
        progressMs: 2000,
        ...this.limits,
      },
    }
  }

  /** Puts a shell script somewhere below the root. */
  async script(path: string, body: string): Promise<string> {
    const file = join(this.root, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, `#!/bin/sh\n${body}\n`)
    await chmod(file, 0o755)
    return file
  }

  /** Puts something there that answers like a nats-server of a version. */
  server(path: string, version: string): Promise<string> {
    return this.script(path, serverScript(version))
  }

  find(options: FindOptions = {}): Promise<NatsServerBinary> {
    return findOn(this.machine, { cacheDir: this.cacheDir, onProgress: (step) => this.steps.push(step), ...options })
  }

  /** The texts of the steps reported so far, `<step> <outcome>: <text>`. */
  get told(): string[] {
    return this.steps.map(({ step, outcome, text }) => `${step} ${outcome}: ${text}`)
  }
}

/** The body of a script that answers `-v` like a nats-server. */
export function serverScript(version: string): string {
  return `[ "$1" = -v ] && echo 'nats-server: v${version}'`
}

/** A fake machine that is removed when the test is over. */
export async function fakeMachine(): Promise<FakeMachine> {
  return new FakeMachine(await temporaryFolder())
}

/** A folder that is removed when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nats-edge-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
