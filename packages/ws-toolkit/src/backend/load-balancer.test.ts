// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { Handler, Site } from '../chain.ts'
import { pendingDeadlines } from '../deadline.ts'
import {
  TestStream,
  codeOf,
  itemsOf,
  pass,
  principalOf,
  requestOf,
  siteOf,
  useVirtualClock,
} from '../middleware/request.test-support.ts'
import { WsError } from '../ws-error.ts'
import { loadBalancer, type LoadBalancer, type LoadBalancerOptions } from './load-balancer.ts'

useVirtualClock()

interface TestTarget {
  readonly name: string
  readonly handler: Handler
  calls: number
  mode: 'ok' | 'fail' | 'hold' | 'not_found'
  readonly held: ((value: unknown) => void)[]
}

function targetsOf(...names: readonly string[]): TestTarget[] {
  return names.map((name) => {
    const target: TestTarget = {
      name,
      calls: 0,
      mode: 'ok',
      held: [],
      handler: () => {
        target.calls += 1
        if (target.mode === 'fail') throw new WsError('bad_reply')
        if (target.mode === 'not_found') throw new WsError('not_found')
        if (target.mode === 'hold') return new Promise((resolve) => target.held.push(resolve))
        return name
      },
    }
    return target
  })
}

function balance(
  targets: readonly TestTarget[],
  options: Partial<LoadBalancerOptions> = {},
  weights: readonly number[] = [],
): LoadBalancer {
  return loadBalancer({
    targets: targets.map(({ handler, name }, index) => ({ handler, name, weight: weights[index] ?? 1 })),
    ...options,
  })
}

async function ask(balancer: LoadBalancer, times: number, key = 'k'): Promise<string[]> {
  const codes: string[] = []
  for (let call = 0; call < times; call++) codes.push(await codeOf(() => balancer(requestOf({ key }))))
  return codes
}

const one: Handler = () => 1
const calls = (targets: readonly TestTarget[]): number[] => targets.map((target) => target.calls)

describe('loadBalancer', () => {
  it('gives equal targets equal shares of requests that come one after the other (D22)', async () => {
    const targets = targetsOf('a', 'b')
    await ask(balance(targets), 1000)
    expect(calls(targets)).toStrictEqual([500, 500])
  })

  it('gives shares by weight, and none to a weight of 0', async () => {
    const targets = targetsOf('a', 'b', 'c', 'd')
    await ask(balance(targets, {}, [5, 3, 2, 0]), 1000)
    expect(calls(targets)).toStrictEqual([500, 300, 200, 0])
  })

  it('does not let a strong target take many requests first (D22)', async () => {
    const targets = targetsOf('strong', 'weak')
    for (const target of targets) target.mode = 'hold'
    const balancer = balance(targets, {}, [10, 1])
    for (let call = 0; call < 4; call++) void balancer(requestOf())
    expect(targets[1]?.calls).toBe(1)
    for (let call = 0; call < 18; call++) void balancer(requestOf())
    expect(calls(targets)).toStrictEqual([20, 2])
  })

  it('gives a request to the target with the least work for its weight', () => {
    const targets = targetsOf('a', 'b', 'c')
    for (const target of targets) target.mode = 'hold'
    const balancer = balance(targets)
    for (let call = 0; call < 9; call++) void balancer(requestOf())
    expect(calls(targets)).toStrictEqual([3, 3, 3])
    const [, slow] = targets
    slow?.held.splice(0).forEach((release) => release('x'))
    expect(balancer.stats().map(({ inFlight }) => inFlight)).toStrictEqual([3, 3, 3])
  })

  it('counts less work than a whole weight (D22)', async () => {
    const targets = targetsOf('busy', 'idle')
    const [busy] = targets
    if (busy !== undefined) busy.mode = 'hold'
    const balancer = balance(targets, {}, [10, 10])
    void balancer(requestOf())
    await ask(balancer, 20)
    expect(calls(targets)).toStrictEqual([1, 20])
  })

  it('counts work until it ends, a stream included', async () => {
    const stream = new TestStream()
    const [other] = targetsOf('b')
    const balancer = loadBalancer({
      targets: [
        { handler: () => stream, name: 'a' },
        { handler: other?.handler ?? (() => 'x'), name: 'b' },
      ],
    })
    const reply = balancer(requestOf())
    await ask(balancer, 5)
    expect(other?.calls).toBe(5)
    expect(balancer.stats()[0]?.inFlight).toBe(1)
    stream.end()
    await itemsOf(reply)
    expect(balancer.stats()[0]?.inFlight).toBe(0)
  })

  it('gives whoever comes back no more than its share', async () => {
    const targets = targetsOf('a', 'b')
    const [, away] = targets
    const balancer = balance(targets, { eject: { failures: 1, forMs: 1000 } })
    if (away !== undefined) away.mode = 'fail'
    await ask(balancer, 100)
    expect(away?.calls).toBe(1)
    if (away !== undefined) away.mode = 'ok'
    await pass(1000)
    await ask(balancer, 20)
    expect(away?.calls).toBe(11)
  })

  it('draws the better of two by weight', async () => {
    const targets = targetsOf('a', 'b', 'c')
    await ask(balance(targets, { pick: 'p2c' }, [1, 1, 8]), 2000)
    const [a = 0, b = 0, c = 0] = calls(targets)
    expect(c).toBeGreaterThan(1400)
    expect(Math.min(a, b)).toBeGreaterThan(50)
    const [busy, ...idle] = targetsOf('busy', 'x', 'y')
    if (busy === undefined) throw new Error('no target')
    busy.mode = 'hold'
    const balancer = balance([busy, ...idle], { pick: 'p2c' })
    for (let call = 0; call < 300; call++) void balancer(requestOf())
    // Once it is at work it wins against nobody.
    expect(busy.calls).toBe(1)
    const [only] = targetsOf('only')
    if (only !== undefined) expect(await ask(balance([only], { pick: 'p2c' }), 3)).toStrictEqual(['ok', 'ok', 'ok'])
  })

  it('sends a key to one target, and moves only the keys of one that goes', async () => {
    const targets = targetsOf('a', 'b', 'c', 'd')
    const options: Partial<LoadBalancerOptions> = { pick: ({ key }) => key, eject: { failures: 1, forMs: 60_000 } }
    const balancer = balance(targets, options)
    const keys = Array.from({ length: 400 }, (_, index) => `user-${index}`)
    const placesOf = (): unknown[] => keys.map((key) => balancer(requestOf({ key })))
    const before = placesOf()
    expect(placesOf()).toStrictEqual(before)
    for (const { name } of targets) {
      expect(before.filter((place) => place === name).length).toBeGreaterThan(60)
    }
    const [gone] = targets
    if (gone !== undefined) gone.mode = 'fail'
    const lost = keys[before.indexOf('a')]
    await codeOf(() => balancer(requestOf({ key: lost ?? '' })))
    const after = placesOf()
    for (const [index, place] of before.entries()) if (place !== 'a') expect(after[index]).toBe(place)
    expect(after).not.toContain('a')
    expect(new Set(after).size).toBe(3)
  })

  it('hashes by weight', () => {
    const targets = targetsOf('a', 'b')
    const balancer = balance(targets, { pick: ({ key }) => key }, [3, 1])
    for (let key = 0; key < 2000; key++) void balancer(requestOf({ key: String(key) }))
    expect(targets[0]?.calls).toBeGreaterThan(1350)
    expect(targets[0]?.calls).toBeLessThan(1650)
  })

  it('leaves a target that fails alone for a while (D22)', async () => {
    const targets = targetsOf('a', 'b', 'c')
    const [bad] = targets
    if (bad !== undefined) bad.mode = 'fail'
    const balancer = balance(targets, { eject: { failures: 3, forMs: 1000 } })
    await ask(balancer, 30)
    expect(bad?.calls).toBe(3)
    expect(balancer.stats()[0]?.health).toBe('ejected')
    await pass(1000)
    expect(balancer.stats()[0]?.health).toBe('healthy')
    await ask(balancer, 30)
    expect(bad?.calls).toBe(6)
  })

  it('counts failures in a row, and only those of the service', async () => {
    const targets = targetsOf('a', 'b')
    const [first] = targets
    const balancer = balance(targets, { eject: { failures: 2 } })
    for (const mode of ['fail', 'ok', 'fail', 'ok', 'not_found', 'not_found', 'not_found'] as const) {
      if (first !== undefined) first.mode = mode
      await ask(balancer, 2)
    }
    expect(balancer.stats()[0]?.health).toBe('healthy')
  })

  it('leaves out no more than half', async () => {
    const targets = targetsOf('a', 'b', 'c')
    for (const target of targets) target.mode = 'fail'
    const balancer = balance(targets, { eject: { failures: 1 } })
    await ask(balancer, 30)
    expect(balancer.stats().filter(({ health }) => health === 'ejected')).toHaveLength(1)
    const pair = targetsOf('a', 'b')
    for (const target of pair) target.mode = 'fail'
    const two = balance(pair, { eject: { failures: 1 } })
    await ask(two, 30)
    expect(two.stats().filter(({ health }) => health === 'ejected')).toHaveLength(1)
  })

  it('never leaves out its only target', async () => {
    const targets = targetsOf('a')
    const [only] = targets
    if (only !== undefined) only.mode = 'fail'
    const balancer = balance(targets, { eject: { failures: 1 } })
    expect(await ask(balancer, 3)).toStrictEqual(['bad_reply', 'bad_reply', 'bad_reply'])
    expect(only?.calls).toBe(3)
  })

  it('leaves nobody out where eject is false', async () => {
    const targets = targetsOf('a', 'b')
    for (const target of targets) target.mode = 'fail'
    const balancer = balance(targets, { eject: false })
    await ask(balancer, 20)
    expect(calls(targets)).toStrictEqual([10, 10])
  })

  it('closes the handlers behind it, and shows them their place', async () => {
    const closed: string[] = []
    const sites: Site[] = []
    const part = (name: string): Handler =>
      Object.assign(() => name, { mount: (site: Site) => void sites.push(site), close: () => void closed.push(name) })
    const balancer = loadBalancer({ targets: [{ handler: part('a') }, { handler: part('b') }] })
    balancer.mount?.(siteOf([], '/x', 'r'))
    await balancer.close()
    expect(closed).toStrictEqual(['a', 'b'])
    expect(sites.map(({ channel }) => channel)).toStrictEqual(['/x', '/x'])
  })

  it('tells the handlers behind it that a principal has changed', () => {
    const told: unknown[] = []
    const hearing: Handler = Object.assign(() => 'x', {
      principalChanged: (...all: unknown[]) => void told.push(all),
      principalsUpdated: (...all: unknown[]) => void told.push(all),
    })
    const balancer = loadBalancer({ targets: [{ handler: hearing }, { handler: one }] })
    const { connection } = requestOf()
    const before = principalOf('ann')
    balancer.principalChanged?.(connection, before)
    const isConnected = (): boolean => true
    balancer.principalsUpdated?.(isConnected)
    expect(told).toStrictEqual([[connection, before], [isConnected]])
  })

  it.each([
    [{ targets: [] }, 'loadBalancer.targets: names no target'],
    [{ targets: undefined as never }, 'loadBalancer.targets: names no target'],
    [{ targets: [{ handler: 'x' as never }] }, 'loadBalancer.targets[0].handler'],
    [{ targets: [{ handler: one, weight: -1 }] }, 'loadBalancer.targets[0].weight: -1'],
    [{ targets: [{ handler: one, weight: NaN }] }, 'loadBalancer.targets[0].weight: NaN'],
    [{ targets: [{ handler: one, name: '1' }, { handler: one }] }, 'two have the same name'],
    [{ targets: [{ handler: one }], pick: 'first' as never }, 'loadBalancer.pick: "first"'],
    [{ targets: [{ handler: one }], eject: { failures: 0 } }, 'loadBalancer.eject.failures: 0'],
    [{ targets: [{ handler: one }], eject: { after: 1 } as never }, 'there is no option "after"'],
    [{ targets: [{ handler: one }], probe: {} as never }, 'loadBalancer.probe.check: is missing'],
    [{ targets: [{ handler: one }], probe: { check: () => {}, intervalMs: 0 } }, 'loadBalancer.probe.intervalMs: 0'],
    [{ targets: [{ handler: one }], health: 1 } as never, 'there is no option "health"'],
  ])('refuses %j', (options, message) => {
    expect(() => loadBalancer(options)).toThrow(message)
  })
})

describe('loadBalancer without a weight above 0', () => {
  it.each([1, 2, 5])('is refused before any of %i targets is asked (D22)', (count) => {
    const targets = Array.from({ length: count }, () => ({ handler: one, weight: 0 }))
    expect(() => loadBalancer({ targets })).toThrow(new RangeError('loadBalancer.targets: every weight is 0'))
  })
})

describe('loadBalancer with a probe', () => {
  it('leaves out whom the probe finds ill, and comes back to them (D22)', async () => {
    const targets = targetsOf('a', 'b', 'c')
    const ill = new Set(['b'])
    const asked: string[] = []
    const check = (name: string): void => {
      asked.push(name)
      if (ill.has(name)) throw new Error('ill')
    }
    const balancer = balance(targets, { probe: { check, intervalMs: 1000 } })
    expect(asked).toStrictEqual([])
    balancer.mount?.(siteOf([]))
    balancer.mount?.(siteOf([]))
    await pass(0)
    expect(asked).toStrictEqual(['a', 'b', 'c'])
    await ask(balancer, 20)
    expect(calls(targets)).toStrictEqual([10, 0, 10])
    expect(balancer.stats().map(({ health }) => health)).toStrictEqual(['healthy', 'down', 'healthy'])
    ill.delete('b')
    await pass(1100)
    await ask(balancer, 9)
    // Its turn, and perhaps one that it was due.
    expect([3, 4]).toContain(targets[1]?.calls)
    await balancer.close()
    expect(pendingDeadlines()).toBe(0)
    await pass(5000)
    expect(asked).toHaveLength(6)
  })

  it('takes a check that does not end for ill, and tells it', async () => {
    let seen: AbortSignal | undefined
    const check = (name: string, signal: AbortSignal): Promise<void> => {
      if (name === 'a') return Promise.resolve()
      seen = signal
      return new Promise(() => {})
    }
    const balancer = balance(targetsOf('a', 'b'), { probe: { check, timeoutMs: 200 } })
    balancer.mount?.(siteOf([]))
    await pass(230)
    expect(seen?.reason).toMatchObject({ code: 'timeout' })
    expect(balancer.stats().map(({ health }) => health)).toStrictEqual(['healthy', 'down'])
    await balancer.close()
    expect(pendingDeadlines()).toBe(0)
  })

  it('ends checks under way when it is closed', async () => {
    let seen: AbortSignal | undefined
    const check = (_name: string, signal: AbortSignal): Promise<void> => {
      seen = signal
      return new Promise(() => {})
    }
    const balancer = balance(targetsOf('a'), { probe: { check } })
    balancer.mount?.(siteOf([]))
    await balancer.close()
    await pass(0)
    expect(seen?.aborted).toBe(true)
    expect(pendingDeadlines()).toBe(0)
  })

  it('goes on with all when the probe finds more than half ill', async () => {
    const targets = targetsOf('a', 'b', 'c')
    const check = (name: string): Promise<void> => (name === 'a' ? Promise.resolve() : Promise.reject(new Error('ill')))
    const balancer = balance(targets, { probe: { check } })
    balancer.mount?.(siteOf([]))
    await pass(0)
    await ask(balancer, 9)
    expect(calls(targets)).toStrictEqual([3, 3, 3])
    await balancer.close()
  })
})
