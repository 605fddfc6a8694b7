// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { closeCode } from '@nats-edge/ws-toolkit'
import { describe, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { configJsonSchema, resolveSchema } from './config/json-schema.ts'
import type { JsonSchema } from './config/json-schema.ts'
import { demoChannels } from './demo/channels.ts'

const page = readFileSync(new URL('../../../docs/ws.md', import.meta.url), 'utf8')

/** The rows of a schema's keys, in its order; what stands under a name has a table of its own. */
function* rowsOf(schema: JsonSchema, prefix = ''): IterableIterator<string> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    yield `| \`${prefix}${key}\` | ${child.description} |`
    const inner = (child.anyOf ?? [child]).flatMap((form) => Object.entries(form.properties ?? {}))
    // Of several forms the first that has a key describes it.
    yield* rowsOf({ properties: Object.fromEntries(inner.filter(isFirst)) }, `${prefix}${key}.`)
  }
}

function isFirst([name]: [string, JsonSchema], index: number, entries: readonly [string, JsonSchema][]): boolean {
  return entries.findIndex(([other]) => other === name) === index
}

function sectionOf(heading: string): readonly string[] {
  const start = page.indexOf(`\n${heading}\n`)
  const text = start === -1 ? '' : page.slice(start + heading.length + 1)
  const end = text.indexOf('\n#')
  return (end === -1 ? text : text.slice(0, end)).match(/^\| `.*$/gm) ?? []
}

const channel = configJsonSchema().properties?.['ws']?.properties?.['channels']?.additionalProperties
const channelSchema: JsonSchema = typeof channel === 'object' ? channel : {}
const forms = resolveSchema({ $ref: '#/$defs/WsRoute' }).anyOf ?? []

function titleOf(form: JsonSchema): string {
  const [first] = Object.entries(form.properties ?? {})
  const [kind, head] = first ?? ['', {}]
  return typeof head.const === 'string' ? `${kind}: ${head.const}` : kind
}

describe('docs/ws.md', () => {
  it.each([
    ['### A channel', channelSchema],
    ...forms.map((form) => [`### Route \`${titleOf(form)}\``, form] as const),
    ['### Middleware around requests: `use`', resolveSchema({ $ref: '#/$defs/WsMiddleware' })],
    ['### Middleware before the upgrade: `http`', channelSchema.properties?.['http']?.items ?? {}],
  ] as const)('describes under "%s" every key as the schema does, and no other', (heading, schema) => {
    const rows = [...rowsOf(schema)]
    expect(rows.length).toBeGreaterThan(0)
    expect(sectionOf(heading)).toEqual(rows)
    for (const row of rows) expect(row).toMatch(/\. \|$/)
  })

  it('has a table for every kind of route', () => {
    const overNats = ['request', 'publish', 'queue', 'subscribe', 'unsubscribe'].map((word) => `nats: ${word}`)
    expect(forms.map(titleOf)).toEqual(overNats.concat('http', 'ws', 'echo', 'room', 'balance'))
  })

  it('has an example that is a valid configuration, with the channels of the demo', () => {
    const yaml = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const file = fileURLToPath(new URL('ws-documentation-example.yaml', import.meta.url))
    writeFileSync(file, yaml)
    try {
      const { channels } = loadConfig({ files: [file], env: {} }).config.ws
      const demo = loadConfig({ base: { ws: { channels: demoChannels } }, files: [], env: {} }).config.ws.channels
      expect(channels).toMatchObject(demo)
      expect(Object.keys(channels['shop/:tenant']?.routes ?? {})).toHaveLength(5)
    } finally {
      rmSync(file)
    }
  })

  it('says of every close code of the product that a channel may end with what a client does', () => {
    const listed = Array.from(page.matchAll(/^\| (\d{4}(?:, \d{4})*) \|/gm), ([, codes = '']) =>
      codes.split(', '),
    ).flat()
    const { replaced: _resume, badVersion: _version, overQuota: _quota, ...used } = closeCode
    expect(new Set(listed)).toEqual(new Set(Object.values(used).map(String)))
  })
})
