// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { NatsServer } from '@nats-edge/embedded-nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exitCode } from './cli/exit-code.ts'
import { loadConfig } from './config.ts'
import { settingPaths } from './config/environment.ts'
import { configJsonSchema } from './config/json-schema.ts'
import type { JsonSchema } from './config/json-schema.ts'
import { demoGreeter } from './demo/greeter.ts'
import { startBroker, startEdge } from './edge.test-support.ts'
import type { TestEdge } from './edge.test-support.ts'

function text(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
}

const configuration = text('../../../docs/configuration.md')
const operations = text('../../../docs/operations.md')
const readme = text('../README.md')
const wire = text('../../../docs/wire.md')

function schemaOf(path: readonly string[]): JsonSchema | undefined {
  return path.reduce<JsonSchema | undefined>((node, key) => node?.properties?.[key], configJsonSchema())
}

/** A key's row as the documentation must have it. */
function rowOf(path: readonly string[]): string {
  const { default: value, description = '' } = schemaOf(path) ?? {}
  const plain = typeof value === 'string' ? value : JSON.stringify(value)?.replaceAll('"', '').replaceAll(',', ', ')
  return `| \`${path.join('.')}\` | ${plain === undefined ? '' : `\`${plain}\``} | ${description} |`
}

/** The rows of a route's keys, in the order of the schema. */
function* routeRows(schema: JsonSchema, prefix = ''): IterableIterator<string> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const name = prefix + key
    yield `| \`${name}\` | ${child.description} |`
    // Entries of a free map have any name; of several forms the first is the one with keys.
    const { additionalProperties: entry } = child
    if (typeof entry === 'object') yield* routeRows(entry, `${name}.<name>.`)
    else yield* routeRows(child.anyOf?.[0] ?? child, `${name}.`)
  }
}

describe('docs/configuration.md', () => {
  it.each(settingPaths())('describes %s.%s as the schema does', (...path) => {
    const keys = path.filter((key) => key !== undefined)
    expect(configuration.split('\n')).toContain(rowOf(keys))
    expect(schemaOf(keys)?.description).toMatch(/\.$/)
  })

  it('describes every key of a route, however deep, and no other', () => {
    const route = schemaOf(['rest', 'routes'])?.items ?? {}
    const described = configuration.slice(configuration.indexOf('## Routes')).match(/^\| `.*/gm) ?? []
    const prefix = schemaOf(['rest', 'defaultRoute'])?.anyOf?.map((each) => each.properties?.['prefix']?.description)
    expect(described).toEqual([...routeRows(route), `| \`prefix\` | ${prefix?.at(-1)} |`])
  })

  it('lists every code of an error in a configuration, and no other', () => {
    const listed = Array.from(configuration.matchAll(/^\| (`config\/.*?) \|/gm), ([, codes = '']) =>
      Array.from(codes.matchAll(/`(config\/[a-z-]+)`/g), ([, code]) => code),
    ).flat()
    const folder = new URL('.', import.meta.url)
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !name.includes('.test'),
    )
    const used = sources.flatMap((name) => Array.from(text(name).matchAll(/'(config\/[a-z-]+)'/g), ([, code]) => code))
    expect(new Set(used)).toEqual(new Set(listed))
  })

  it('says of every option of rest what happens without it', () => {
    for (const path of settingPaths().filter(([section, key]) => section === 'rest' && key !== 'routes'))
      expect(rowOf(path)).toMatch(/`|\bDefault\b/)
  })

  it('describes every key of what the section wire holds in lists and choices, and no other', () => {
    const section = /\n### wire\n([^]*?)\n##/.exec(configuration)?.[1] ?? ''
    const { permissions, payloads, rates } = schemaOf(['wire', 'policies'])?.properties ?? {}
    const maps = [
      schemaOf(['wire', 'backends'])?.items,
      payloads?.items,
      rates?.items,
      permissions?.properties?.['allowResponses']?.anyOf?.at(-1),
      schemaOf(['wire', 'compression'])?.anyOf?.at(-1),
    ]
    const described = section.match(/^\| `[^`]+` \| [^|]+ \|$/gm) ?? []
    expect(described).toEqual(maps.flatMap((each) => Array.from(routeRows(each ?? {}))))
    expect(described.length).toBeGreaterThan(25)
  })

  it('says of every option of wire what happens without it', () => {
    const needed = new Set(['listen.wire.tls.cert', 'listen.wire.tls.key', 'wire.policies.verbs.allow'])
    for (const path of settingPaths().filter((each) => each[0] === 'wire' || each[1] === 'wire')) {
      if (!needed.has(path.join('.'))) expect(rowOf(path)).toMatch(/\| `|\bDefault\b/)
    }
  })

  it('has an example that is a valid configuration', () => {
    const yaml = /```yaml\n([\s\S]*?)```/.exec(configuration)?.[1] ?? ''
    const file = new URL('documentation-example.yaml', import.meta.url)
    expect(yaml).toContain('rest:')
    writeFileSync(file, yaml.replace(/^ {2}credentials:.*\n/m, ''))
    try {
      const { config } = loadConfig({ files: [fileURLToPath(file)], env: {} })
      expect(config.rest).toMatchObject({ path: '/api', defaultRoute: false })
    } finally {
      rmSync(file)
    }
  })
})

describe('docs/wire.md', () => {
  it('has examples that are valid configurations', () => {
    const examples = Array.from(wire.matchAll(/```yaml\n([\s\S]*?)```/g), ([, yaml = '']) => yaml)
    expect(examples.length).toBeGreaterThan(3)
    const readable = fileURLToPath(new URL('../package.json', import.meta.url))
    const file = fileURLToPath(new URL('wire-example.yaml', import.meta.url))
    for (const yaml of examples) {
      writeFileSync(file, yaml.replaceAll(/\/etc\/nats-edge\/[a-z.]+/g, readable))
      try {
        expect(() => loadConfig({ files: [file], env: {} }), yaml).not.toThrow()
      } finally {
        rmSync(file)
      }
    }
  })

  it('names only keys that there are', () => {
    const named = Array.from(
      wire.matchAll(/`((?:wire|listen|limits|log|shutdown|nats)\.[A-Za-z.]+)/g),
      ([, key = '']) => key,
    )
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter((key) => schemaOf(key.split('.')) === undefined)).toEqual([])
  })

  it('has a first example that works', async () => {
    const broker = await startBroker()
    const each = await startEdge(broker.url)
    await each.ready()
    demoGreeter(each.bus)
    const file = new URL('../wire-example.mjs', import.meta.url)
    const example = /```js\n([\s\S]*?)```/.exec(wire)?.[1] ?? ''
    writeFileSync(file, example.replace('nats://127.0.0.1:4223', each.wireUrl ?? ''))
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(file)], { timeout: 50_000 })
      expect(stdout).toBe('hello ada, from a NATS service\n')
    } finally {
      rmSync(file)
      await each.close({ graceMs: 0 })
      await broker.stop()
    }
  })
})

describe('docs/operations.md', () => {
  let broker: NatsServer
  let each: TestEdge
  const withChannel = { ws: { channels: { echo: { default: { echo: true } } } } }

  beforeAll(async () => {
    broker = await startBroker()
    each = await startEdge(broker.url, withChannel)
    await each.ready()
    await fetch(each.url)
  })

  afterAll(async () => {
    await each.close({ graceMs: 0 })
    await broker.stop()
  })

  it('describes every metric that is served, with its kind, and no other', async () => {
    const served = await (await fetch(`${each.adminUrl}/metrics`)).text()
    const types = Array.from(served.matchAll(/^# TYPE (nats_edge_\S+) (\w+)$/gm), ([, name, kind]) => `${name} ${kind}`)
    const described = Array.from(
      operations.matchAll(/^\| `(nats_edge_\w+)` \| (\w+) \|/gm),
      ([, name, kind]) => `${name} ${kind}`,
    )
    const embedded = ['nats_edge_embedded_broker_up gauge', 'nats_edge_embedded_broker_restarts_total counter']
    expect([...types, ...embedded].sort()).toEqual(described.sort())
  })

  it('names every label of every metric', async () => {
    const served = await (await fetch(`${each.adminUrl}/metrics`)).text()
    for (const [, name = '', labels = ''] of served.matchAll(
      /^(nats_edge_\w+?)(?:_bucket|_sum|_count)?\{([^}]*)\}/gm,
    )) {
      const row = operations.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? ''
      const keys = Array.from(labels.matchAll(/(\w+)="/g), ([, key]) => key ?? '').filter((key) => key !== 'le')
      for (const key of keys) expect(row.split('|')[3], `${name} ${key}`).toMatch(new RegExp(`\\b${key}\\b`))
    }
  })

  it('is right that the label values it names are there from the start, at zero', async () => {
    const fresh = await startEdge(broker.url, withChannel)
    const served = await (await fetch(`${fresh.adminUrl}/metrics`)).text()
    await fresh.close({ graceMs: 0 })
    const rows = operations.matchAll(/^\| `(nats_edge_\w+)` \| counter \| [^|]*?(\w+): ([\w, ]+) \|/gm)
    const named = Array.from(rows, ([, name = '', label = '', values = '']) =>
      values.split(', ').map((value) => ({ name, label, value })),
    ).flat()
    expect(named.length).toBeGreaterThan(12)
    const missing = named.filter(
      ({ name, label, value }) => !new RegExp(`^${name}\\{[^}]*${label}="${value}"[^}]*\\} \\d+$`, 'm').test(served),
    )
    expect(missing).toEqual([])
  })

  it('lists every exit code', () => {
    const listed = Array.from(operations.matchAll(/^\| (\d+) \|/gm), ([, code]) => Number(code))
    expect(listed).toEqual(Object.values(exitCode))
  })
})

describe('schema.json', () => {
  it('is what `nats-edge config schema` prints', () => {
    expect(JSON.parse(text('../schema.json'))).toEqual(configJsonSchema())
  })
})

describe('README.md', () => {
  it('has an example that runs', async () => {
    const broker = await startBroker()
    const file = new URL('../readme-example.mjs', import.meta.url)
    const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const onOtherPorts = example
      .replace('nats://127.0.0.1:4222', broker.url)
      .replace(
        "public: { address: '127.0.0.1:8080' }",
        "public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' }",
      )
    writeFileSync(file, `${onOtherPorts}\nprocess.kill(process.pid, 'SIGTERM')\n`)
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(file)], { timeout: 50_000 })
      expect(stdout).toMatch(/^try http:\/\/127\.0\.0\.1:\d+\n$/)
    } finally {
      rmSync(file)
      await broker.stop()
    }
  })

  it('lists every code of the edge with its status', () => {
    const problem = text('problem.ts')
    const codes = Array.from(
      problem.matchAll(/^ {2}(\w+): (\d{3}),$/gm),
      ([, code, status]) => `| ${status} | \`${code}\` |`,
    )
    expect(codes.length).toBeGreaterThan(8)
    for (const row of codes) expect(readme).toContain(row)
  })
})
