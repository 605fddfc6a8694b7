import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import type { Wanted } from './test-e2e/src/support/system-program.ts'

interface TestServer {
  readonly path: string
  readonly version: string
}

// Every broker this project promises to work with: what Debian ships, and a current release.
const wantedVersions = ['>=2.9.10 <2.10', '>=2.14.3']

/** Builds the server, for tests that run it as a process, and finds or installs the brokers, saying which they are. */
export default async function setup(project: TestProject): Promise<void> {
  build()
  const servers = process.env['NATS_EDGE_TEST_SERVERS'] ? listedServers() : await foundServers()
  const names = servers.map((server) => `${server.version} (${server.path})`).join(', ')
  console.log(`nats-server under test: ${names}${servers.length < 2 ? ' - ONLY ONE VERSION could be had' : ''}`)
  project.provide('natsServers', servers)
  await provideSystemPrograms(project)
  const propertyRuns = Number(process.env['PROPERTY_RUNS'] ?? 1000)
  project.provide('propertyRuns', propertyRuns)
  project.provide('promptMs', propertyRuns >= 100_000 ? 100 : 3000)
}

/** Looks for what only some tests need; what is missing is installed if a test file of this run asks for it, before any runs. */
async function provideSystemPrograms(project: TestProject): Promise<void> {
  const { chromium, findOrInstall, findProgram, redisServer } = await import('./test-e2e/src/support/system-program.ts')
  const { testFiles } = await project.globTestFiles(project.vitest.filenamePattern)
  const sources = await Promise.all(testFiles.map((file) => readFile(file, 'utf8')))
  const provide = async (key: 'chromium' | 'redisServer', wanted: Wanted, support: string): Promise<void> => {
    const isNeeded = sources.some((source) => source.includes(support))
    const program = await (isNeeded ? findOrInstall(wanted, (line) => console.log(line)) : findProgram(wanted))
    if (isNeeded) console.log(`${key} under test: ${'path' in program ? program.path : `NONE - ${program.missing}`}`)
    project.provide(key, program)
  }
  await provide('chromium', chromium, 'support/chromium.ts')
  await provide('redisServer', redisServer, 'support/redis.ts')
}

function build(): void {
  const root = dirname(fileURLToPath(import.meta.url))
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  try {
    execFileSync(process.execPath, [tsc, '-b', 'apps/edge'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  } catch {
    console.log('the build reports type errors: process tests run what it wrote all the same')
  }
}

function listedServers(): TestServer[] {
  const paths = (process.env['NATS_EDGE_TEST_SERVERS'] ?? '').split(',').filter((path) => path !== '')
  return paths.map((path) => {
    const output = execFileSync(path, ['-v'], { encoding: 'utf8' })
    const version = /v(\d+\.\d+\.\d+\S*)/.exec(output)?.[1]
    if (version === undefined) throw new Error(`NATS_EDGE_TEST_SERVERS: ${path} -v printed "${output.trim()}"`)
    return { path, version }
  })
}

async function foundServers(): Promise<TestServer[]> {
  const { findNatsServer } = await import('./packages/embedded-nats/src/index.ts')
  const servers: TestServer[] = []
  for (const version of wantedVersions) {
    try {
      const { path, version: found } = await findNatsServer({ version, onProgress: (step) => console.log(step.text) })
      servers.push({ path, version: found })
    } catch (error) {
      console.log(String(error))
    }
  }
  if (servers.length === 0)
    throw new Error('no nats-server to test with: set NATS_SERVER_BIN or NATS_EDGE_TEST_SERVERS')
  return servers
}
