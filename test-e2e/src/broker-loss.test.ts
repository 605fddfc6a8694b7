// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'node:http'
import { startNatsServer, type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import { describe, expect, inject, it, vi } from 'vitest'
import { isRunning, patience, Program, residentBytes } from './support/program.ts'

interface Answer {
  readonly status: number
  readonly atMs: number
  readonly retryAfter: string | undefined
  readonly code: unknown
}

function get(url: string, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.once('end', () => {
        const code = body.startsWith('{') ? JSON.parse(body).code : undefined
        resolve({
          status: response.statusCode ?? 0,
          atMs: performance.now(),
          retryAfter: response.headers['retry-after'],
          code,
        })
      })
    })
    sent.once('error', reject).end()
  })
}

async function serve(natsUrl: string, folder: string): Promise<{ program: Program; url: string; admin: string }> {
  const file = join(folder, 'nats-edge.yaml')
  writeFileSync(
    file,
    [
      'nats:',
      `  servers: [${natsUrl}]`,
      'listen:',
      '  public: { address: 127.0.0.1:0 }',
      '  admin: { address: 127.0.0.1:0 }',
      'limits: { connectionsPerIp: 1000 }',
      'log: { access: false, format: pretty }',
    ].join('\n'),
  )
  const program = new Program(process.execPath, [...collecting, 'apps/edge/dist/main.js', 'serve', '-c', file])
  const url = await program.printed(/public=(http:\S+)/)
  const admin = await program.printed(/admin=(http:\S+)/)
  return { program, url, admin }
}

const servers = inject('natsServers')
// Memory is compared after a collection; the signal is one that nothing else here has a use for.
const collecting = ['--expose-gc', '--import', 'data:text/javascript,process.on("SIGURG",()=>globalThis.gc())']

/** Holds a process to its memory over six thousand requests that are refused. */
async function expectSameMemory(pid: number, ask: () => Promise<Answer>): Promise<void> {
  const refuse = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const refused = await Promise.all(Array.from({ length: 50 }, ask))
      expect(refused.every(({ status }) => status === 503)).toBe(true)
    }
  }
  const held = async (): Promise<number> => {
    process.kill(pid, 'SIGURG')
    // Whoever answers has collected.
    await refuse(1)
    return residentBytes(pid)
  }
  await refuse(40)
  const before = await held()
  await refuse(120)
  // Pages come and go; of 6,000 requests five kilobytes each would stay beyond this for good.
  const bound = before + 30 * 1024 * 1024
  let after = await held()
  for (let more = 0; after > bound && more < 5; more++) {
    await refuse(40)
    after = await held()
  }
  process.stderr.write(`6,000 requests that are refused: resident ${after - before} B\n`)
  expect(after).toBeLessThan(bound)
}

describe.each(servers)('reliability F1 and F2: the edge loses nats-server $version', { timeout: 60_000 }, (binary) => {
  it('answers 200 requests in flight with 503 within 100 ms, and the next one once the broker is back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nats-edge-e2e-'))
    let broker: NatsServer = await startNatsServer({ binary, jetstream: false, port: await steadyPort() })
    const { port } = broker
    const { program, url, admin } = await serve(broker.url, folder)
    await using _ = program
    const agent = new Agent({ keepAlive: true, maxSockets: 300 })
    const seen = new Set<string>()
    let nats = await connect({ servers: broker.url })
    nats.subscribe('GET:.silent.*', { callback: (_, message) => void seen.add(message.subject) })
    nats.subscribe('GET:.up', { callback: (_, message) => void message.respond(new Uint8Array([8, 0xc8, 1])) })
    await nats.flush()
    await vi.waitUntil(async () => (await get(`${url}/up`, agent)).status === 200, patience)

    const inFlight = Array.from({ length: 200 }, (_, i) => get(`${url}/silent/${i}`, agent))
    await vi.waitUntil(() => seen.size === 200, patience)
    broker.kill()
    await broker.exited
    const lostAt = performance.now()
    const answers = await Promise.all(inFlight)
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 200 }, () => 503))
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['disconnected']))
    expect(Math.max(...answers.map(({ atMs }) => atMs)) - lostAt).toBeLessThan(inject('promptMs'))

    const away = await get(`${url}/up`, agent)
    expect([away.status, away.code]).toEqual([503, 'disconnected'])
    expect(Number(away.retryAfter)).toBeGreaterThan(0)
    expect((await get(`${admin}/livez`, agent)).status).toBe(200)
    await vi.waitUntil(async () => (await get(`${admin}/readyz`, agent)).status === 503, patience)

    // While there is none it does not matter which broker was lost.
    if (binary === servers.at(-1)) await expectSameMemory(program.pid, () => get(`${url}/up`, agent))

    await nats.close()
    broker = await startNatsServer({ binary, jetstream: false, port })
    nats = await connect({ servers: broker.url })
    nats.subscribe('GET:.up', { callback: (_, message) => void message.respond(new Uint8Array([8, 0xc8, 1])) })
    await nats.flush()
    await vi.waitUntil(async () => (await get(`${admin}/readyz`, agent)).status === 200, patience)
    expect((await get(`${url}/up`, agent)).status).toBe(200)

    expect(isRunning(program.pid)).toBe(true)
    program.process.kill('SIGTERM')
    expect(await program.exited).toBe(0)
    agent.destroy()
    await nats.close()
    await broker.stop()
    rmSync(folder, { recursive: true })
  })

  it('starts without its broker, answers 503, then 200 when it comes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nats-edge-e2e-'))
    const gone = await startNatsServer({ binary, jetstream: false, port: await steadyPort() })
    await gone.stop()
    const { program, url, admin } = await serve(gone.url, folder)
    await using _ = program
    const agent = new Agent({ keepAlive: true })
    expect((await get(`${url}/up`, agent)).status).toBe(503)
    expect((await get(`${admin}/startupz`, agent)).status).toBe(503)

    const broker = await startNatsServer({ binary, jetstream: false, port: gone.port })
    const nats = await connect({ servers: broker.url })
    nats.subscribe('GET:.up', { callback: (_, message) => void message.respond(new Uint8Array([8, 0xc8, 1])) })
    await nats.flush()
    await vi.waitUntil(async () => (await get(`${url}/up`, agent)).status === 200, patience)
    expect((await get(`${admin}/startupz`, agent)).status).toBe(200)

    program.process.kill('SIGTERM')
    expect(await program.exited).toBe(0)
    agent.destroy()
    await nats.close()
    await broker.stop()
    rmSync(folder, { recursive: true })
  })
})
