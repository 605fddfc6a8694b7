// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryFolder } from '../../support/program.ts'

const sources = fileURLToPath(new URL('.', import.meta.url))
const cacheFolder = join(repositoryFolder, 'node_modules', '.cache', 'wire-clients')
const buildMs = 240_000
const runMs = 60_000

/** A client library of another language, or why this machine has none. */
export type ForeignClient = Program | { readonly missing: string }

/** A program that runs flows at an address and prints what it has seen. */
export interface Program {
  run(...args: readonly string[]): Promise<string>
}

/** nats-py in an environment of its own, which is kept. */
export async function pythonClient(): Promise<ForeignClient> {
  const python = await executed('python3', ['--version'])
  if (python.code !== 0) return { missing: 'nats-py needs python3, which is not on this machine' }
  const folder = join(cacheFolder, `python-${fingerprint(python.output, 'requirements.txt')}`)
  const built = await once(folder, async (work) => {
    const environment = await executed('python3', ['-m', 'venv', work])
    if (environment.code !== 0) return `python3 -m venv: ${environment.lastLine}`
    const requirements = ['-r', join(sources, 'requirements.txt')]
    const installed = await executed(join(work, 'bin', 'python'), ['-m', 'pip', 'install', '-q', ...requirements])
    return installed.code === 0 ? undefined : `pip install nats-py: ${installed.lastLine}`
  })
  if (built !== undefined) return { missing: built }
  return program(join(folder, 'bin', 'python'), [join(sources, 'flow.py')])
}

/** A program with nats.go, built once. */
export async function goClient(): Promise<ForeignClient> {
  const go = await executed('go', ['version'])
  if (go.code !== 0) return { missing: 'nats.go needs a Go toolchain, which is not on this machine' }
  const folder = join(cacheFolder, `go-${fingerprint(go.output, 'flow.go', 'go.mod', 'go.sum')}`)
  const built = await once(folder, async (work) => {
    const build = await executed('go', ['build', '-mod=readonly', '-o', join(work, 'flow'), '.'], sources)
    return build.code === 0 ? undefined : `go build with nats.go: ${build.lastLine}`
  })
  return built === undefined ? program(join(folder, 'flow'), []) : { missing: built }
}

function program(command: string, first: readonly string[]): Program {
  return {
    async run(...args) {
      const { code, output } = await executed(command, [...first, ...args], undefined, runMs)
      if (code !== 0) throw new Error(`the client ended with ${code}:\n${output}`)
      return output
    },
  }
}

/** Makes a folder unless it is there; nobody ever sees half of one. Says what went wrong. */
async function once(folder: string, build: (work: string) => Promise<string | undefined>): Promise<string | undefined> {
  if (existsSync(folder)) return undefined
  await mkdir(cacheFolder, { recursive: true })
  const work = await mkdtemp(join(cacheFolder, 'work-'))
  try {
    const fault = await build(work)
    if (fault === undefined && !existsSync(folder)) await rename(work, folder)
    return fault
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function fingerprint(version: string, ...files: readonly string[]): string {
  const hash = createHash('sha256').update(version)
  for (const file of files) hash.update(readFileSync(join(sources, file)))
  return hash.digest('hex').slice(0, 16)
}

interface Ended {
  readonly code: number | null
  readonly output: string
  readonly lastLine: string
}

function executed(
  command: string,
  args: readonly string[],
  cwd = repositoryFolder,
  timeoutMs = buildMs,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    child.on('error', (error) => resolve({ code: -1, output: error.message, lastLine: error.message }))
    child.on('close', (code, signal) => {
      const lastLine = output.trimEnd().split('\n').at(-1) ?? ''
      resolve({ code, output, lastLine: signal === null ? lastLine : `ended by ${signal}: ${lastLine}` })
    })
  })
}
