// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { copyFile, cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const program = fileURLToPath(new URL('../reference/gnatsd-gw.go', import.meta.url))
const reference = 'github.com/antmanler/gnatsd-gw'
const version = 'v0.0.0-20180503042813-5d83d9c4d01d'
// gnatsd-gw names no versions of its own.
const webSocket = 'github.com/gorilla/websocket v1.5.3'
const buildMs = 300_000
let built: Promise<string> | undefined

/**
 * Builds the reference gateway once for a run and answers its path; it is removed when the run ends. The module comes from
 * the Go module proxy, or from the folder that GNATSD_GW_SOURCE names. Rejects with the reason where it cannot be built.
 */
export function buildGnatsdGw(onStep: (line: string) => void): Promise<string> {
  built ??= build(onStep)
  return built
}

async function build(onStep: (line: string) => void): Promise<string> {
  onStep('building gnatsd-gw')
  const directory = await mkdtemp(join(tmpdir(), 'nats-edge-gnatsd-gw-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const source = process.env['GNATSD_GW_SOURCE'] ?? ''
  await (source === '' ? writeModule(directory) : copyModule(directory, source))
  const output = join(directory, 'bench', 'gnatsd-gw')
  const env = { ...process.env, GOFLAGS: '-mod=mod' }
  try {
    await run('go', ['build', '-o', output, './bench'], { cwd: directory, env, timeout: buildMs })
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error })
  }
  return output
}

async function writeModule(directory: string): Promise<void> {
  await writeFile(
    join(directory, 'go.mod'),
    `module bench\n\ngo 1.21\n\nrequire (\n${reference} ${version}\n${webSocket}\n)\n`,
  )
  await addProgram(directory)
}

/** A copy of the module with our program in it, as it has no go.mod to be referred to by. */
async function copyModule(directory: string, source: string): Promise<void> {
  await cp(join(source, 'gnatsdgw'), join(directory, 'gnatsdgw'), { recursive: true })
  await writeFile(join(directory, 'go.mod'), `module ${reference}\n\ngo 1.21\n\nrequire ${webSocket}\n`)
  await addProgram(directory)
}

async function addProgram(directory: string): Promise<void> {
  await mkdir(join(directory, 'bench'))
  await copyFile(program, join(directory, 'bench', 'main.go'))
}

function reasonOf(error: unknown): string {
  const { code, stderr, message } = error as {
    readonly code?: unknown
    readonly stderr?: unknown
    readonly message?: unknown
  }
  if (code === 'ENOENT') return 'there is no Go toolchain: go is not on PATH'
  const text = typeof stderr === 'string' && stderr.trim() !== '' ? stderr : String(message)
  return text.trim().split('\n').slice(-2).join(' ').replaceAll(/\s+/g, ' ')
}
