// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import * as nodeServer from '@hono/node-server'
import * as hono from 'hono'
import { describe, expect, it } from 'vitest'
import { resolveChannelOptions } from './channel-options.ts'
import * as toolkit from './index.ts'
import { resolveGatewayOptions } from './options.ts'
import { listening, open } from './upgrade/hosts.test-support.ts'
import { resolveSocketOptions } from './upgrade/socket-options.ts'
import * as upgrade from './upgrade.ts'
import { WsError, wsErrorCodes } from './ws-error.ts'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const modules = {
  hono: hono,
  '@hono/node-server': nodeServer,
  '@nats-edge/ws-toolkit': toolkit,
  '@nats-edge/ws-toolkit/upgrade': upgrade,
}

function section(title: string): string {
  const start = readme.indexOf(`\n## ${title}\n`)
  return readme.slice(start, readme.indexOf('\n## ', start + 1))
}

function cellsOf(text: string, name: string): readonly string[] {
  const row = text
    .split('\n')
    .find((line) => line.startsWith('|') && line.split(' | ').some((cell) => isCell(cell, name)))
  return row?.split('|').map((cell) => cell.trim()) ?? expect.fail(`no row for ${name}`)
}

function isCell(cell: string, name: string): boolean {
  return cell.replace(/^\| /, '') === `\`${name}\``
}

/** Runs the first example of a part of the README on a free port. */
async function startExample(text: string): Promise<Server> {
  const script = (/^```ts\n(.*?)^```/ms.exec(text)?.[1] ?? '')
    .replaceAll(/^import (\{.*\}) from ('.*')$/gm, 'const $1 = modules[$2]')
    .replace('port: 3000', "port: 0, hostname: '127.0.0.1'")
  // oxlint-disable-next-line typescript/no-implied-eval
  const run = new Function('modules', `${script}\nreturn server`) as (given: typeof modules) => Server
  const server = run(modules)
  await once(server, 'listening')
  return server
}

describe('README', () => {
  it('shows an example in which clients talk', async () => {
    const host = await listening(await startExample(readme))
    const [ada, bob] = [await open(host, '/ws/chat/lobby'), await open(host, '/ws/chat/lobby')]
    const message = /sends `(\{.*?\})`/.exec(readme)?.[1] ?? ''
    const said = /gets `(\{.*?\})`/.exec(readme)?.[1] ?? ''
    ada.ws.send(message)
    expect(await bob.next()).toBe(said)
    expect([await ada.next(), await ada.next()]).toStrictEqual([said, '{"type":"say","id":1,"data":2}'])
  })

  it.each([
    [
      'gateways',
      resolveGatewayOptions({}),
      ['admission', 'admit', 'clientIp', 'principal', 'roomBus', 'signal', 'observe'],
    ],
    ['channels', resolveChannelOptions({}), []],
  ])('lists every option of %s with its default', (_what, resolved, hooks) => {
    const text = section('Channels')
    for (const [name, value] of Object.entries(resolved)) {
      const [, , shown = ''] = cellsOf(text, name)
      if (typeof value === 'number' || typeof value === 'boolean')
        expect(shown, name).toMatch(new RegExp(`^\`?${value}\`?$`))
      if (typeof value === 'string') expect(shown, name).toBe(`\`${value}\``)
      if (value === undefined) expect(shown, name).toBe('none')
    }
    for (const name of hooks) expect(cellsOf(text, name)).toBeDefined()
  })

  it('lists every error with what becomes of it', () => {
    for (const code of wsErrorCodes) {
      const { status, rpcCode, closeCode } = new WsError(code)
      const cells = cellsOf(section('Errors'), code)
      expect(cells.slice(2, 5), code).toStrictEqual([status, rpcCode, closeCode ?? 'open'].map(String))
    }
  })

  it('lists every close code with what clients make of it', () => {
    const words = { stop: 'stays away', reconnect: 'comes back at once', 'back-off': 'backs off' }
    for (const [name, code] of Object.entries(toolkit.closeCode)) {
      const [, shown, , what = ''] = cellsOf(section('Close codes'), name)
      expect(shown, name).toBe(String(code))
      expect(what, name).toMatch(new RegExp(`^${words[toolkit.closeClass(code)]}: `))
    }
  })

  it('lists what a gateway and a channel are', () => {
    const gateway = toolkit.wsGateway()
    const said = /is `\{ (.*?) \}`/.exec(section('Channels'))?.[1]?.split(', ') ?? []
    expect(said.length).toBeGreaterThan(5)
    for (const name of said) expect(Reflect.has(gateway, name), name).toBe(true)
    for (const name of ['http', 'use', 'route', 'default'])
      expect(Reflect.has(gateway.channel(`/${name}`), name)).toBe(true)
  })

  it('shows an example of an upgrade that echoes', async () => {
    const server = await startExample(section('Upgrades without channels'))
    const client = await open(await listening(server), '/echo')
    client.ws.send('hello')
    expect(await client.next()).toBe('you said hello')
    client.ws.send('x'.repeat(1025))
    expect(await client.code).toBe(1009)
  })

  it('lists every option of a route with its default', () => {
    const resolved = { ...resolveSocketOptions({}), admission: 0, clientIp: 0, observe: 0 }
    for (const [name, value] of Object.entries(resolved)) {
      const row = section('Upgrades without channels')
        .split('\n')
        .find((line) => line.startsWith('|') && line.split('|')[1]?.includes(`\`${name}\``))
      expect(row, name).toBeDefined()
      if (typeof value === 'number' && value !== 0) expect(row).toContain(`| ${value} |`)
      if (typeof value === 'string') expect(row).toContain(`| \`'${value}'\` |`)
    }
  })
})
