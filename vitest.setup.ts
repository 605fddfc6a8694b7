import { execFileSync } from 'node:child_process'
import type { TestProject } from 'vitest/node'

interface TestServer {
  readonly path: string
  readonly version: string
}

// Every broker this project promises to work with: what Debian ships, and a current release.
const wantedVersions = ['>=2.9.10 <2.10', '>=2.14.3']

/** Finds or installs the brokers the tests run on and says which they are. */
export default async function setup(project: TestProject): Promise<void> {
  const servers = process.env['NATS_EDGE_TEST_SERVERS'] ? listedServers() : await foundServers()
  const names = servers.map((server) => `${server.version} (${server.path})`).join(', ')
  console.log(`nats-server under test: ${names}${servers.length < 2 ? ' - ONLY ONE VERSION could be had' : ''}`)
  project.provide('natsServers', servers)
  project.provide('propertyRuns', Number(process.env['PROPERTY_RUNS'] ?? 1000))
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
