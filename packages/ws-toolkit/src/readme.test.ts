// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import * as nodeServer from '@hono/node-server'
import * as hono from 'hono'
import { describe, expect, it } from 'vitest'
import { listening, open } from './upgrade/hosts.test-support.ts'
import { resolveSocketOptions } from './upgrade/socket-options.ts'
import * as upgrade from './upgrade.ts'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const modules = { hono: hono, '@hono/node-server': nodeServer, '@nats-edge/ws-toolkit/upgrade': upgrade }

describe('README', () => {
  it('shows an example that echoes', async () => {
    const example = /^```ts\n(.*?)^```/ms.exec(readme)?.[1] ?? ''
    const script = example
      .replaceAll(/^import (\{.*\}) from ('.*')$/gm, 'const $1 = modules[$2]')
      .replace('port: 3000', "port: 0, hostname: '127.0.0.1'")
    // oxlint-disable-next-line typescript/no-implied-eval
    const run = new Function('modules', `${script}\nreturn server`) as (given: typeof modules) => Server
    const server = run(modules)
    await once(server, 'listening')
    const client = await open(await listening(server), '/echo')
    client.ws.send('hello')
    expect(await client.next()).toBe('you said hello')
    client.ws.send('x'.repeat(1025))
    expect(await client.code).toBe(1009)
  })

  it('lists every option with its default', () => {
    const resolved = { ...resolveSocketOptions({}), admission: 0, clientIp: 0, observe: 0 }
    for (const [name, value] of Object.entries(resolved)) {
      const row = readme.split('\n').find((line) => line.startsWith('|') && line.split('|')[1]?.includes(`\`${name}\``))
      expect(row, name).toBeDefined()
      if (typeof value === 'number' && value !== 0) expect(row).toContain(`| ${value} |`)
      if (typeof value === 'string') expect(row).toContain(`| \`'${value}'\` |`)
    }
  })
})
