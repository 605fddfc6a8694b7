// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, inject, it, onTestFinished, vi } from 'vitest'
import { patience } from './support/program.ts'
import { RunningEdge } from './support/running-edge.ts'

const newest = inject('natsServers').at(-1) ?? expect.fail('no nats-server')
const [mount, unmount] = ['mount', 'umount'] as const

const lines = [
  'rest: { routes: [{ path: "/orders/{id}", subject: "orders.{id}", envelope: headers }] }',
  'ws:',
  '  channels:',
  '    shop:',
  '      codec: json',
  '      bytesPerSecond: 100MiB',
  '      routes: { put: { nats: publish, subject: ledger.put, ack: jetstream } }',
]

/** A folder on a disk of 12 MiB; undefined where nobody may mount one. */
function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'nats-edge-disk-'))
  try {
    execFileSync(mount, ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', folder], { stdio: 'pipe' })
    return folder
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
}

it('reliability F8: a full disk under JetStream fails what has to be stored, and nothing else', async ({ skip }) => {
  const dataDir = smallDisk() ?? skip('mounting a small disk needs root')
  onTestFinished(() => {
    execFileSync(unmount, [dataDir], { stdio: 'pipe' })
    rmSync(dataDir, { recursive: true })
  })
  const broker = await startNatsServer({ binary: newest, dataDir })
  onTestFinished(() => broker.stop())
  const service = await connect({ servers: broker.url })
  onTestFinished(() => service.close())
  service.subscribe('orders.*', { callback: (_error, message) => void message.respond('"done"') })
  const { streams } = await jetstreamManager(service)
  await streams.add({ name: 'LEDGER', subjects: ['ledger.>'] })
  const edge = await RunningEdge.start([broker.url], lines)
  const shop = await edge.open('/ws/shop')
  const big = 'x'.repeat(400_000)
  let id = 0
  const put = (): Promise<Record<string, unknown>> => shop.ask({ type: 'put', id: ++id, data: big })

  let stored = 0
  let answer = await put()
  for (; 'data' in answer; answer = await put()) stored++
  expect(answer).toMatchObject({ error: { code: 'bad_reply' } })
  expect(stored).toBeGreaterThan(5)
  expect((await streams.info('LEDGER')).state.messages).toBe(stored)
  expect(await edge.order(7)).toBe('200 "done"')
  expect([await edge.health('readyz'), shop.isOpen]).toEqual([200, true])

  await streams.purge('LEDGER')
  await vi.waitUntil(async () => 'data' in (await put()), patience)
}, 60_000)
