// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, inject, it, onTestFinished, vi } from 'vitest'
import { Program, residentBytes } from '../support/program.ts'
import { RestartableBroker } from '../support/restartable-broker.ts'
import { type Doors, get, leaveInMidSentence, startServices, takeNothing, visit } from './traffic.ts'

const isLong = inject('propertyRuns') >= 100_000
const minutes = isLong ? Number(process.env['SOAK_MINUTES'] ?? 60) : 0
const roundMs = isLong ? 60_000 : 500
const leastRounds = 4
const patience = { timeout: 30_000, interval: 100 } as const
const impatience = { timeout: 500, interval: 10 } as const

const configuration = [
  'listen: { public: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }',
  'limits: { connectionsPerIp: 1000 }',
  'log: { access: false }',
  'ws:',
  '  channels:',
  '    echo: { default: { echo: true } }',
  '    chat/:room: { room: "{room}", overflow: drop-oldest, messagesPerSecond: 1000 }',
  '    shop: { codec: json, routes: { order: { nats: request, subject: "orders.{id}", timeout: 5s } } }',
]
// Memory is compared after a collection; the signal is one that nothing else here has a use for.
const collecting = ['--expose-gc', '--import', 'data:text/javascript,process.on("SIGURG",()=>globalThis.gc())']

it(
  'an edge that is visited by every door while one thing after the other fails holds in the end what it held at first',
  { timeout: (minutes + 2) * 90_000 },
  async () => {
    const broker = await RestartableBroker.start({ binary: inject('natsServers').at(-1) ?? expect.unreachable() })
    onTestFinished(() => broker.stop())
    const { program, doors, admin } = await serve(broker.url)
    const services = await startServices(broker.url)
    const atRest = descriptors(program.pid)
    onTestFinished(() => services.close())
    const faults: Readonly<Record<string, () => Promise<void>>> = {
      'the broker killed': () => broker.restart('killed'),
      'clients cut': () => leaveInMidSentence(doors),
      'the broker frozen': () => broker.freeze(isLong ? 5000 : 200),
      'clients that take nothing': () => takeNothing(doors),
    }
    const held: Held[] = []
    const endMs = performance.now() + minutes * 60_000
    for (let round = 0; round < leastRounds || performance.now() < endMs; round++) {
      const calmUntilMs = performance.now() + roundMs
      do {
        await visit(doors)
        await delay(isLong ? 200 : 0)
      } while (performance.now() < calmUntilMs)
      const [name, fault] = Object.entries(faults)[round % leastRounds] ?? expect.unreachable()
      // Visitors of this moment may fail; nobody after it.
      await Promise.allSettled([visit(doors, impatience), visit(doors, impatience), fault()])
      await vi.waitUntil(
        () =>
          visit(doors).then(
            () => true,
            () => false,
          ),
        patience,
      )
      held.push(await settled(program.pid, admin, atRest))
      if (isLong) process.stderr.write(`round ${round}, ${name}: ${JSON.stringify(held.at(-1))}\n`)
    }
    if (!isLong) return
    const perHour = growthPerHour(held)
    process.stderr.write(`${held.length} rounds: resident memory grew by ${(perHour * 100).toFixed(2)} % an hour\n`)
    // A minute more or less of garbage is a percent; a leak of a kilobyte a visit would be thirty.
    if (held.length >= 30) expect(perHour).toBeLessThan(0.03)
  },
)

/** What an edge holds while nobody is there. */
interface Held {
  readonly atMs: number
  readonly residentBytes: number
}

async function serve(natsUrl: string): Promise<{ program: Program; doors: Doors; admin: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'nats-edge-soak-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'edge.yaml')
  writeFileSync(file, [`nats: { servers: [${natsUrl}] }`, ...configuration].join('\n'))
  const program = new Program(process.execPath, [...collecting, 'apps/edge/dist/main.js', 'serve', '-c', file])
  onTestFinished(() => program[Symbol.asyncDispose]())
  const http = await program.printed(/"public":"(http:[^"]+)"/)
  const wire = await program.printed(/"wire":"(nats:[^"]+)"/)
  const admin = await program.printed(/"admin":"(http:[^"]+)"/)
  await program.printed(/"msg":"(ready)"/)
  return { program, doors: { http, wire }, admin }
}

/** Waits until nobody is connected any more, and says what is held then. */
async function settled(pid: number, admin: string, atRest: number): Promise<Held> {
  const connected = /^nats_edge_(?:wire|ws)_connections(?:_pending|_upgrading)?(?:\{[^}]*\})? (?!0$)/m
  await vi.waitUntil(async () => !connected.test(await get(`${admin}/metrics`)), patience)
  process.kill(pid, 'SIGURG')
  await get(`${admin}/livez`)
  await vi.waitUntil(() => descriptors(pid) <= atRest, patience)
  return { atMs: performance.now(), residentBytes: residentBytes(pid) }
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** The slope of the line through what was held, as a share of it; the first third is warm-up. */
function growthPerHour(held: readonly Held[]): number {
  const points = held.slice(Math.floor(held.length / 3))
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const atMs = mean(points.map((each) => each.atMs))
  const bytes = mean(points.map((each) => each.residentBytes))
  const shared = mean(points.map((each) => (each.atMs - atMs) * (each.residentBytes - bytes)))
  const spread = mean(points.map((each) => (each.atMs - atMs) ** 2))
  return (shared / spread / bytes) * 3_600_000
}
