// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'
import { WsClient } from '../ws/ws-client.ts'
import { edgeProgram, patience, type Program } from './program.ts'

/** What is different about an edge. */
export interface EdgePlace {
  /** How it asks the broker for a sign of life, as configuration. */
  readonly ping?: string
  /** Where its clients find it; beyond loopback it is told that this is meant. */
  readonly host?: string
}

/** An edge as a process of its own, from a file; it ends with the test. */
export class RunningEdge {
  readonly program: Program
  readonly url: string
  readonly admin: string

  private constructor(program: Program, url: string, admin: string) {
    this.program = program
    this.url = url
    this.admin = admin
  }

  /** An edge connected to one of `urls`, with what those lines of configuration describe. */
  static async start(
    urls: readonly string[],
    lines: readonly string[],
    { ping = '{}', host = '127.0.0.1' }: EdgePlace = {},
  ): Promise<RunningEdge> {
    const folder = mkdtempSync(join(tmpdir(), 'nats-edge-running-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'edge.yaml')
    const hosts = { public: host, wire: host, admin: '127.0.0.1' }
    const listeners = Object.entries(hosts).map(([name, each]) => `${name}: { address: "${each}:0" }`)
    const nats = `nats: { servers: [${urls.map((url) => `"${url}"`).join()}], ping: ${ping} }`
    writeFileSync(file, [nats, `listen: { ${listeners} }`, 'log: { access: false }', ...lines].join('\n'))
    const program = edgeProgram(['serve', '-c', file, ...(host === '127.0.0.1' ? [] : ['--insecure'])])
    onTestFinished(() => program[Symbol.asyncDispose]())
    const url = await program.printed(/"public":"(http:[^"]+)"/)
    const admin = await program.printed(/"admin":"(http:[^"]+)"/)
    await program.printed(/"msg":"(ready)"/)
    return new RunningEdge(program, url, admin)
  }

  get wireUrl(): string {
    return /"wire":"(nats:[^"]+)"/.exec(this.program.output)?.[1] ?? expect.fail(this.program.output)
  }

  /** Where it was connected when it was ready. */
  get startedAt(): string {
    return /"nats":"([^"]+)"[^\n]*"msg":"ready"/.exec(this.program.output)?.[1] ?? expect.fail(this.program.output)
  }

  /** Gives the value of a series, all as they were at one moment. */
  async metrics(): Promise<(series: string) => number> {
    const rows = (await (await fetch(`${this.admin}/metrics`)).text()).split('\n')
    return (series) => {
      const line = rows.find((row) => row.startsWith(`nats_edge_${series} `))
      if (line === undefined) throw new Error(`there is no ${series}:\n${rows.join('\n')}`)
      return Number(line.slice(line.lastIndexOf(' ') + 1))
    }
  }

  async metric(series: string): Promise<number> {
    return (await this.metrics())(series)
  }

  async open(path: string): Promise<WsClient> {
    const client = await WsClient.open(this.url + path)
    onTestFinished(() => client.end())
    return client
  }

  /** Status and body, or code, of one request on a connection of its own. */
  order(id: number | string): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(`${this.url}/orders/${id}`, { agent: false }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => (body += text))
        response.once('error', reject)
        response.once('end', () => {
          const { statusCode = 0 } = response
          resolve(`${statusCode} ${statusCode === 200 ? body : String(JSON.parse(body).code)}`)
        })
      })
      sent.once('error', reject).end()
    })
  }

  /** Status of a health check. */
  async health(check: 'livez' | 'readyz'): Promise<number> {
    return (await fetch(`${this.admin}/${check}`)).status
  }
}

/** Says something until it has arrived. */
export async function reaches(from: WsClient, to: WsClient, word: string): Promise<void> {
  const arrived = (): boolean => to.texts.includes(word)
  const say = (): boolean => {
    if (!arrived()) from.send(word)
    return arrived()
  }
  await vi.waitUntil(say, { ...patience, interval: 50 })
}

/** Waits until each of these hears the first of them, and the rest is over: who has just come may not be in the room yet. */
export async function together(speaker: WsClient, ...others: readonly WsClient[]): Promise<void> {
  for (const other of others) await reaches(speaker, other, 'are you there?')
  speaker.send('all are here')
  const all = [speaker, ...others]
  await vi.waitUntil(() => all.every(({ texts }) => texts.at(-1) === 'all are here'), patience)
  for (const { texts } of all) texts.length = 0
}

/** The configuration of an edge with orders over REST, chat rooms, and a shop with these routes. */
export function surfacesWith(...routes: readonly string[]): string[] {
  return [
    'limits: { connectionsPerIp: 1000 }',
    'rest: { routes: [{ path: "/orders/{id}", subject: "orders.{id}", envelope: headers }] }',
    'ws:',
    '  channels:',
    '    chat/:room: { room: "{room}" }',
    '    shop:',
    '      codec: json',
    '      messagesPerSecond: 100000',
    '      routes:',
    ...routes.map((route) => `        ${route}`),
  ]
}
