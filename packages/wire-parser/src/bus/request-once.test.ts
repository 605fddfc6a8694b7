// SPDX-License-Identifier: Apache-2.0
import { getEventListeners } from 'node:events'
import { describe, expect, inject, it } from 'vitest'
import { HeaderBlock } from '../headers.ts'
import type { Bus } from '../message-bus.ts'
import { busFromConnection, requestOnce } from '../bus.ts'
import { bytes, connectTo, pattern, startBroker, subject, text } from './broker.test-support.ts'

const [binary] = inject('natsServers')

async function start(): Promise<Bus> {
  if (binary === undefined) throw new Error('no nats-server')
  const bus = busFromConnection(await connectTo(await startBroker(binary)))
  bus.subscribe(pattern('quiet'), () => undefined)
  bus.subscribe(pattern('svc'), (message) => {
    if (message.reply === undefined) return
    bus.publish(message.reply, message.payload, message.headers && { headers: message.headers })
  })
  return bus
}

describe('requestOnce', () => {
  it('resolves with a reply that stays', async () => {
    const bus = await start()
    const headers = HeaderBlock.from([['A', '1']])
    const first = await requestOnce(bus, subject('svc'), bytes('one'), { timeoutMs: 5000, headers })
    await requestOnce(bus, subject('svc'), bytes('two'), { timeoutMs: 5000 })
    expect([text(first.payload), first.headers?.get('A')]).toEqual(['one', '1'])
  })

  it('rejects with the BusError there is: no_responders, timeout, disconnected', async () => {
    const bus = await start()
    const ask = (name: string, timeoutMs: number): Promise<unknown> =>
      requestOnce(bus, subject(name), bytes(''), { timeoutMs })
    await expect(ask('nobody', 5000)).rejects.toMatchObject({ code: 'no_responders' })
    await expect(ask('quiet', 50)).rejects.toMatchObject({ code: 'timeout' })
    await expect(ask('quiet', -1)).rejects.toThrow(RangeError)
  })

  it('rejects with the reason of a signal, before and while it waits, and leaves no listener', async () => {
    const bus = await start()
    const reason = new Error('enough')
    await expect(
      requestOnce(bus, subject('svc'), bytes(''), { timeoutMs: 5000, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
    const controller = new AbortController()
    const { signal } = controller
    await requestOnce(bus, subject('svc'), bytes(''), { timeoutMs: 5000, signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const waiting = requestOnce(bus, subject('quiet'), bytes(''), { timeoutMs: 5000, signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})
