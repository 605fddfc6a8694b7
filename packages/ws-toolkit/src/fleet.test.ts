// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it, vi } from 'vitest'
import type { ChannelOptions } from './channel-options.ts'
import { fleetSize, launchFleet, say, type Sailor } from './fleet.test-support.ts'
import { eventsOf, startGateway, statOf, type Rig } from './gateway.test-support.ts'
import { jsonCodec, parseCloseHint, sharedFrame, type Channel, type Connection } from './index.ts'
import { overflowPolicies, type OverflowPolicy } from './overflow-policy.ts'

const patience = { timeout: 30_000, interval: 20 }
const testMs = 120_000

async function startFleet(
  count: number,
  options: ChannelOptions = {},
  build: (channel: Channel) => unknown = () => {},
): Promise<{ rig: Rig; fleet: Sailor[] }> {
  const rig = await startGateway((gateway) => build(gateway.channel('/:name', { ...options, heartbeatMs: 0 })))
  const fleet = await launchFleet(rig.host, count, (index) => `/${index}`)
  await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(count), patience)
  return { rig, fleet }
}

describe('thousands of clients that leave', () => {
  it(
    'are all told when to come back, each at another time, go in no order, and lose no answer (F15)',
    async () => {
      const count = fleetSize(5000)
      const doors: (() => void)[] = []
      const { rig, fleet } = await startFleet(count, { codec: jsonCodec() }, (channel) =>
        channel.route('wait', () => new Promise<string>((resolve) => doors.push(() => resolve('done')))),
      )
      const heard = fleet.map((sailor) => {
        const texts: string[] = []
        sailor.hear = (text) => texts.push(text)
        return texts
      })
      const isBusy = (index: number): boolean => index % 5 === 0
      for (const [index, sailor] of fleet.entries()) if (isBusy(index)) say(sailor, '{"type":"wait","id":1}')
      await vi.waitFor(() => expect(doors).toHaveLength(count / 5), patience)
      const bounds = [1000, 3000] as const
      const startedMs = performance.now()
      const goneMs: number[] = []
      const order: number[] = []
      for (const [index, { socket }] of fleet.entries()) {
        socket.once('close', () => {
          goneMs.push(performance.now() - startedMs)
          order.push(index)
        })
      }
      const spreadMs = Math.max(1000, count)
      const closing = rig.gateway.close({ drainMs: 20_000, spreadMs, retryAfterMs: bounds })
      await vi.waitFor(() => expect(goneMs.length).toBeGreaterThanOrEqual(count * 0.7), patience)
      // Whose request is under way stays until it has its answer.
      expect(goneMs.length).toBeLessThanOrEqual(count * 0.8)
      for (const open of doors) open()
      await closing
      await vi.waitFor(() => expect(fleet.every(({ isGone }) => isGone)).toBe(true), patience)
      const notices = heard.map(
        (texts) => JSON.parse(texts[0] ?? '{}') as { type: string; data: { retryAfterMs: number } },
      )
      expect(new Set(notices.map(({ type }) => type))).toStrictEqual(new Set(['going-away']))
      const hints = fleet.map(({ close }) => parseCloseHint(close?.reason ?? '')?.retryAfterMs ?? -1)
      for (const list of [hints, notices.map(({ data }) => data.retryAfterMs)]) {
        expect(Math.min(...list)).toBeGreaterThanOrEqual(bounds[0])
        expect(Math.max(...list)).toBeLessThanOrEqual(bounds[1])
        expect(new Set(list).size).toBeGreaterThan(Math.min(count, 2000) / 3)
      }
      expect(new Set(fleet.map(({ close }) => close?.code))).toStrictEqual(new Set([1012]))
      const answers = heard.filter((texts) => texts.includes('{"type":"wait","id":1,"data":"done"}'))
      expect(answers).toHaveLength(count / 5)
      expect(eventsOf(rig, 'drain.finished')).toMatchObject([{ closed: count, terminated: 0 }])
      // Not as they came: those who came first would always be the first to go.
      expect(Math.max(...order.slice(0, count / 10))).toBeGreaterThan(count / 2)
      // Not all at once: a busy machine makes it later, never earlier.
      expect(goneMs.filter((ms) => ms < spreadMs / 4).length).toBeLessThan(count * 0.4)
    },
    testMs,
  )

  it(
    'are cut at the deadline if they do not go',
    async () => {
      const count = fleetSize(5000)
      const { rig, fleet } = await startFleet(count, { closeTimeoutMs: 60_000 })
      for (const sailor of fleet) sailor.answers = false
      const startedMs = performance.now()
      await rig.gateway.close({ drainMs: 500, spreadMs: 100 })
      const ms = performance.now() - startedMs
      expect(ms).toBeGreaterThan(490)
      expect(ms).toBeLessThan(10_000)
      await vi.waitFor(() => expect(fleet.every(({ isGone }) => isGone)).toBe(true), patience)
      expect(eventsOf(rig, 'drain.finished')).toMatchObject([{ closed: 0, terminated: count }])
    },
    testMs,
  )

  it(
    'are gone soon after a second call that asks for it',
    async () => {
      const count = fleetSize(5000)
      const { rig, fleet } = await startFleet(count, { closeTimeoutMs: 60_000 })
      for (const sailor of fleet.slice(0, 10)) sailor.answers = false
      const slow = rig.gateway.close({ drainMs: 100_000, spreadMs: 50_000 })
      await new Promise(setImmediate)
      expect(fleet.filter(({ isGone }) => isGone).length).toBeLessThan(count / 10)
      const startedMs = performance.now()
      await rig.gateway.close({ drainMs: 0 })
      await slow
      expect(performance.now() - startedMs).toBeLessThan(10_000)
      await vi.waitFor(() => expect(fleet.every(({ close }) => close?.code === 1012)).toBe(true), patience)
      expect(rig.gateway.registry.size).toBe(0)
    },
    testMs,
  )
})

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0
}

describe('a fifth of many clients that stop to read', () => {
  it.for(overflowPolicies)(
    'have a bound with %s, and are not felt by the others',
    { timeout: testMs },
    async (overflow, { annotate }) => {
      const { calmMs, roughMs, who } = await lateness(overflow)
      await annotate(
        `${overflow}, ${who}: p99 of the others ${calmMs.toFixed(1)} ms while they read, ${roughMs.toFixed(1)} ms after`,
      )
      // The long job is alone on its machine: there the others may feel no more than a tenth.
      if (inject('propertyRuns') >= 100_000) expect(roughMs / calmMs).toBeLessThan(1.1)
    },
  )

  /** How late the slowest hundredth of the messages to the others is before and after; and that there is a bound. */
  async function lateness(overflow: OverflowPolicy): Promise<{ calmMs: number; roughMs: number; who: string }> {
    const count = fleetSize(1000)
    const sendBufferBytes = 200_000
    const { rig, fleet } = await startFleet(count, { overflow, sendBufferBytes, closeTimeoutMs: 300 })
    const isSlow = ({ params }: Connection): boolean => Number(params['name']) % 5 === 0
    const all = [...rig.gateway.registry]
    const [slow, quick] = [all.filter(isSlow), all.filter((connection) => !isSlow(connection))]
    let late: number[] = []
    let most = 0
    for (const [index, sailor] of fleet.entries()) {
      if (index % 5 !== 0) sailor.hear = (text) => late.push(performance.now() - Number(text))
    }
    /** Sends to all, waits for those that read, and gives how late the slowest hundredth of their messages is in most rounds. */
    const flood = async (isDone: () => boolean, isEnough: () => boolean): Promise<number> => {
      const slowest: number[] = []
      for (let round = 1; round <= 150 || (!isEnough() && round <= 1500); round += 1) {
        late = []
        const large = sharedFrame('x'.repeat(50_000))
        for (const connection of slow) connection.send(large, { key: 'state' })
        const stamped = sharedFrame(String(performance.now()))
        for (const connection of quick) connection.send(stamped)
        for (const { bufferedBytes } of slow) most = Math.max(most, bufferedBytes)
        while (late.length < quick.length || !isDone()) await new Promise(setImmediate)
        slowest.push(percentile(late, 0.99))
      }
      return percentile(slowest, 0.5)
    }
    const calmMs = await flood(
      () => slow.every(({ bufferedBytes }) => bufferedBytes === 0),
      () => true,
    )
    expect(rig.gateway.registry.size).toBe(count)
    for (const [index, { socket }] of fleet.entries()) if (index % 5 === 0) socket.pause()
    // With coalesce one message waits here, beside what its socket may have.
    const least = overflow === 'coalesce' ? 50_000 : sendBufferBytes
    const dropped = (): number => statOf(rig.gateway, 'messages_dropped_total', { policy: overflow })
    // What kernels keep for somebody who does not read is theirs to say.
    const isFull = (): boolean => {
      if (overflow === 'close') return slow.every(({ state }) => state !== 'open')
      return most >= least && (overflow === 'block' || dropped() > 0)
    }
    const roughMs = await flood(() => true, isFull)
    expect(most).toBeGreaterThanOrEqual(least)
    expect(most).toBeLessThan(sendBufferBytes + 50_020)
    expect(quick.every(({ state }) => state === 'open')).toBe(true)
    if (overflow === 'close') {
      await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(quick.length), patience)
      expect(statOf(rig.gateway, 'connections_closed_total', { code: '4108' })).toBe(slow.length)
    } else {
      expect(slow.every(({ state }) => state === 'open')).toBe(true)
      // With block it is the sender who is told.
      expect(dropped() > 0).toBe(overflow !== 'block')
    }
    await rig.gateway.close({ drainMs: 0 })
    return { calmMs, roughMs, who: `${slow.length} of ${count}` }
  }
})
