// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startNatsServer, type NatsServer } from '@nats-edge/embedded-nats'
import { restProxy } from '@nats-edge/rest-proxy'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { repositoryFolder } from './support/program.ts'

const binary = inject('natsServers').at(-1)
if (binary === undefined) throw new Error('no nats-server under test')
let broker: NatsServer
let nats: NatsConnection

beforeAll(async () => {
  broker = await startNatsServer({ binary })
  nats = await connect({ servers: broker.url })
})
afterAll(async () => {
  await nats.close()
  await broker.stop()
})

function text(path: string): string {
  return readFileSync(join(repositoryFolder, path), 'utf8')
}

function documentsOf(folder: string): readonly string[] {
  return readdirSync(join(repositoryFolder, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => join(folder, entry.name))
}

function documents(): readonly string[] {
  const rooms = ['apps', 'packages', 'examples'].flatMap((room) =>
    readdirSync(join(repositoryFolder, room)).map((name) => join(room, name)),
  )
  return ['.', 'docs', 'benchmarks', ...rooms].flatMap(documentsOf)
}

describe('every document', () => {
  it.each(documents())('%s links only to files that exist', (document) => {
    const targets = Array.from(text(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g), ([, target = '']) => target)
    const missing = targets.filter((target) => !existsSync(join(repositoryFolder, dirname(document), target)))
    expect(missing).toEqual([])
  })
})

describe('README.md', () => {
  const readme = text('README.md')

  it('has an example that answers from NATS', async () => {
    nats.subscribe('orders.*.get', { callback: (_, message) => void message.respond(`"${message.subject}"`) })
    await nats.flush()
    const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const file = fileURLToPath(new URL('readme-example.mjs', import.meta.url))
    const onOtherPorts = example
      .replace('nats://127.0.0.1:4222', broker.url)
      .replace(
        'port: 3000 })',
        "hostname: '127.0.0.1', port: 0 }, async ({ port }) => { console.log(await (await fetch(`http://127.0.0.1:${port}/api/orders/7`)).text()); process.exit(0) })",
      )
    writeFileSync(file, onOtherPorts)
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 50_000 })
      expect(stdout).toBe('"orders.7.get"\n')
    } finally {
      rmSync(file)
    }
  })

  it('names the commands that the checks run, in their order', () => {
    const section = readme.slice(readme.indexOf('## Working on it'))
    const named = Array.from(section.matchAll(/^ {4}(npm .*)$/gm), ([, command]) => command)
    const run = Array.from(text('.ci/run').matchAll(/^run (npm \w+(?: \w+)?)/gm), ([, command]) => command)
    expect(run).toEqual(named)
  })
})

describe('docs/reliability.md', () => {
  const rows = text('docs/reliability.md')
    .split('\n')
    .filter((line) => /^\| [FT]\d/.test(line))
  const testsOf = (row: string): string[] =>
    Array.from(row.matchAll(/\]\(\.\.\/([^)]+\.test\.ts)\)/g), ([, path = '']) => path)
  const idsOf = (row: string): string[] => (/^\| ([^|]+) \|/.exec(row)?.[1] ?? '').split(', ')

  it.each(rows.map((row) => [idsOf(row).join(', '), row]))(
    'names for %s only tests with that in a title',
    (_ids, row) => {
      const tests = testsOf(row)
      expect(tests).not.toEqual([])
      const titled = (path: string): boolean =>
        idsOf(row).some((id) => new RegExp(`reliability ((and|[FT]\\d+),? )*${id}\\b`).test(text(path)))
      expect(tests.filter((path) => !titled(path))).toEqual([])
    },
  )

  it('leaves out no fault that a title names', () => {
    const folders = ['test-e2e', 'apps/edge', 'packages/wire-parser', 'packages/rest-proxy', 'packages/ws-toolkit']
    const files = [...folders, 'packages/embedded-nats'].flatMap((folder) =>
      readdirSync(join(repositoryFolder, folder, 'src'), { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.test.ts'))
        .map((path) => join(folder, 'src', path)),
    )
    const named = files.flatMap((path) =>
      Array.from(
        text(path).matchAll(/reliability ((?:[FT]\d+(?:, | and )?)+)/g),
        ([, ids = '']) => ids.match(/[FT]\d+/g) ?? [],
      ),
    )
    const listed = new Set(rows.flatMap(idsOf))
    expect([...new Set(named.flat())].filter((id) => !listed.has(id))).toEqual([])
  })
})

describe('docs/migration-nats-proxy.md', () => {
  const migration = text('docs/migration-nats-proxy.md')

  it.each([
    ['nobody listens', '/nobody', 503, 'no_responders'],
    ['no reply in time', '/silent', 504, 'timeout'],
    ['the reply is empty', '/empty', 502, 'bad_reply'],
    ['a path no service', '/a/', 404, 'not_found'],
    ['a path no service', '//a', 404, 'not_found'],
    ['a path that would be a wildcard', '/*', 400, 'bad_request'],
    ['a path that would be a wildcard', '/a%20b', 400, 'bad_request'],
  ])('is right about the row "%s", as for %s', async (row, path, status, code) => {
    nats.subscribe('GET:.silent', { callback: () => undefined })
    nats.subscribe('GET:.empty', { callback: (_, message) => void message.respond() })
    await nats.flush()
    const proxy = restProxy({ nats, timeoutMs: code === 'timeout' ? 200 : 10_000 })
    const response = await proxy.routes.request(path)
    await proxy.close({ drainMs: 0 })
    expect([response.status, await response.json()]).toEqual([status, expect.objectContaining({ code })])
    const line = migration.split('\n').find((each) => each.startsWith(`| ${row}`))
    expect(line).toContain(`| ${status} \`${code}\``)
  })
})
