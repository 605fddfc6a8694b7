// SPDX-License-Identifier: Apache-2.0
import { exec } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { wsconnect } from '@nats-io/nats-core'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import { edgeProgram, patience, type Program, repositoryFolder } from './support/program.ts'

const anyPorts = ['--set', 'listen.public.address=127.0.0.1:0', '--set', 'listen.admin.address=127.0.0.1:0']

function started(args: readonly string[], env?: NodeJS.ProcessEnv): Program {
  const program = edgeProgram(args, env && { ...process.env, ...env })
  onTestFinished(() => program[Symbol.asyncDispose]())
  return program
}

function kept(nats: NatsConnection): NatsConnection {
  onTestFinished(() => nats.close())
  return nats
}

/** nats.js over WebSocket; Node 20 has no client of its own. */
async function overWebSocket(url: string): Promise<NatsConnection> {
  const nats = await wsconnect({
    servers: url,
    reconnect: false,
    wsFactory: (server: string) => {
      const socket = new WebSocket(server)
      return Promise.resolve({ socket: socket as unknown as globalThis.WebSocket, encrypted: false })
    },
  })
  return kept(nats)
}

async function metric(adminUrl: string, series: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')
      .at(-1),
  )
}

function open(adminUrl: string, transport: string): Promise<number> {
  return metric(adminUrl, `nats_edge_wire_connections{surface="wire",transport="${transport}"}`)
}

describe.each(inject('natsServers'))('dev --demo with nats-server $version', (server) => {
  it('serves NATS over TCP and WebSocket, says where, and prints lines that work', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nats-edge-test-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const flags = ['--port', '0', '--set', 'listen.admin.address=127.0.0.1:0', '--set', `embedded.dataDir=${folder}`]
    const program = started(['dev', '--demo', ...flags], { NATS_SERVER_BIN: server.path })
    await program.printed(/(Ctrl-C stops everything)/)
    const [, tcp = '', webSocket = ''] = /wire {5}NATS clients connect to (\S+) and (\S+)\n/.exec(program.output) ?? []
    const adminUrl = /admin {4}listens on (\S+)/.exec(program.output)?.[1] ?? ''
    expect(program.output).toContain(`  nats --server ${tcp} request demo.greet ada\n`)
    const lines = program.output.match(/^ {2}node .*demo\.greet.*$/gm) ?? []
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      const { stdout } = await promisify(exec)(line.trim(), { cwd: repositoryFolder, timeout: 50_000 })
      expect(stdout).toBe('hello ada, from a NATS service\n')
    }

    const one = kept(await connect({ servers: tcp, reconnect: false }))
    const two = await overWebSocket(webSocket)
    const manager = await jetstreamManager(one)
    await manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] })
    for (const payload of ['a', 'b', 'c']) await jetstream(one).publish('events.new', payload)
    await manager.consumers.add('EVENTS', { durable_name: 'reader', ack_policy: AckPolicy.Explicit })
    const consumer = await jetstream(two).consumers.get('EVENTS', 'reader')
    const got: string[] = []
    for await (const message of await consumer.fetch({ max_messages: 3, expires: 5000 })) {
      got.push(message.string())
      await message.ackAck()
    }
    expect(got).toEqual(['a', 'b', 'c'])
    expect((await manager.consumers.info('EVENTS', 'reader')).num_ack_pending).toBe(0)

    await expect.poll(async () => [await open(adminUrl, 'tcp'), await open(adminUrl, 'ws')], patience).toEqual([1, 1])
    await Promise.all([one.close(), two.close()])
    const none = async (): Promise<boolean> => (await open(adminUrl, 'tcp')) + (await open(adminUrl, 'ws')) === 0
    await vi.waitUntil(none, patience)
    const opened = (transport: string): Promise<number> =>
      metric(adminUrl, `nats_edge_wire_connections_opened_total{surface="wire",transport="${transport}"}`)
    expect([await opened('tcp'), await opened('ws')]).toEqual([2, 2])
    // A client that stays does not hold up who pressed Ctrl-C, by as much as it does under `serve`.
    const staying = kept(await connect({ servers: tcp, reconnect: false }))
    const pressedAtMs = performance.now()
    program.process.kill('SIGINT')
    expect(await program.exited).toBe(0)
    expect(performance.now() - pressedAtMs).toBeLessThan(10_000)
    await staying.closed()
  })

  it('leads clients to another edge when it is told to stop: lame duck, then the close, and no message is lost after (reliability F14)', async () => {
    const broker = await startNatsServer({ binary: server })
    onTestFinished(() => broker.stop())
    const serve = ['serve', '--set', `nats.servers=${broker.url}`, ...anyPorts]
    const next = started(serve)
    const nextUrl = await next.printed(/"wire":"nats:\/\/([^"]+)"/)
    const advertise = ['--set', `wire.advertise=["${nextUrl}"]`, '--set', 'shutdown.grace=4s']
    const first = started([...serve, ...advertise])
    const [url, publicUrl] = [
      await first.printed(/"wire":"nats:\/\/([^"]+)"/),
      await first.printed(/"public":"([^"]+)"/),
    ]
    await Promise.all([first.printed(/("msg":"ready")/), next.printed(/("msg":"ready")/)])

    const client = kept(await connect({ servers: url, reconnectTimeWait: 50, maxReconnectAttempts: -1 }))
    // Not nats.js: its WebSocket transport, once used, is that of every connection of the process.
    const page = new WebSocket(`${publicUrl.replace('http', 'ws')}/nats`)
    let told = ''
    page.once('open', () => page.send('CONNECT {"verbose":false}\r\nPING\r\n'))
    page.on('message', (data: Buffer) => (told += data.toString()))
    const pageClosed = new Promise<number>((resolve) => page.once('close', resolve))
    await vi.waitUntil(() => told.includes('PONG'), patience)
    const statuses: string[] = []
    void (async () => {
      for await (const { type } of client.status()) statuses.push(type)
    })()
    const got: string[] = []
    client.subscribe('news', { callback: (_, message) => void got.push(message.string()) })
    await client.flush()
    first.process.kill('SIGTERM')
    await vi.waitUntil(() => statuses.includes('reconnect'), patience)
    expect(statuses.indexOf('ldm')).toBeGreaterThanOrEqual(0)
    expect(statuses.indexOf('ldm')).toBeLessThan(statuses.indexOf('disconnect'))
    expect(client.getServer()).toBe(nextUrl)
    await client.flush()
    const sender = kept(await connect({ servers: broker.url }))
    sender.publish('news', 'after')
    await vi.waitUntil(() => got.includes('after'), patience)
    expect(await pageClosed).toBe(1001)
    expect(told).toMatch(/^INFO [^]*PONG[^]*INFO [^\r]*"ldm":true/)
    expect(await first.exited).toBe(0)
    expect(first.output).toMatch(/"cause":"shutdown"/)
  })
})
