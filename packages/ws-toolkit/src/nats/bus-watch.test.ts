// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusStatus } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import type { WsEvent } from '../event.ts'
import { watchBus } from './bus-watch.ts'

/** A bus of which the test says when it is lost, is back, and has been read by the broker. */
class TestBus {
  epoch = 1
  state: Bus['state'] = 'connected'
  readonly #listeners = new Set<(status: BusStatus) => void>()
  #flushed: ((isLost: boolean) => void)[] = []

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushed.push((isLost) => (isLost ? reject(new Error('disconnected')) : resolve()))
    })
  }

  async lose(): Promise<void> {
    this.state = 'disconnected'
    this.#tell({ type: 'disconnected' })
    await this.#settle(true)
  }

  comeBack(): void {
    this.state = 'connected'
    this.#tell({ type: 'connected', epoch: ++this.epoch })
  }

  isRead(): Promise<void> {
    return this.#settle(false)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  #tell(status: BusStatus): void {
    for (const listener of this.#listeners) listener(status)
  }

  async #settle(isLost: boolean): Promise<void> {
    for (const settle of this.#flushed) settle(isLost)
    this.#flushed = []
    await new Promise(setImmediate)
  }
}

function watched(): { bus: TestBus; told: WsEvent['type'][]; stop: () => void } {
  const bus = new TestBus()
  const told: WsEvent['type'][] = []
  const observe = ({ type }: WsEvent): void => void told.push(type)
  const stops = [1, 2].map(() => watchBus(bus as unknown as Bus, observe))
  return { bus, told, stop: () => stops.forEach((stop) => stop()) }
}

describe('watchBus', () => {
  it('tells a loss at once, and a return when the broker has read the subscriptions, to each observer once', async () => {
    const { bus, told } = watched()
    await bus.lose()
    expect(told).toEqual(['connection.lost'])
    bus.comeBack()
    await new Promise(setImmediate)
    expect(told).toEqual(['connection.lost'])
    await bus.isRead()
    expect(told).toEqual(['connection.lost', 'connection.restored'])
  })

  it('tells no return that did not last', async () => {
    const { bus, told } = watched()
    await bus.lose()
    bus.comeBack()
    await bus.lose()
    bus.comeBack()
    expect(told).toEqual(['connection.lost'])
    await bus.isRead()
    expect(told).toEqual(['connection.lost', 'connection.restored'])
  })

  it('tells nothing once nobody asks any more', async () => {
    const { bus, told, stop } = watched()
    await bus.lose()
    bus.comeBack()
    stop()
    await bus.isRead()
    expect(told).toEqual(['connection.lost'])
    expect(bus.listeners).toBe(0)
  })
})
