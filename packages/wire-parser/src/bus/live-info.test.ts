// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection, ServerInfo } from '@nats-io/nats-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LiveInfo } from './live-info.ts'

const said = (more: Partial<ServerInfo>): ServerInfo =>
  ({ max_payload: 1000, version: '2.15.2', headers: true, ...more }) as ServerInfo

describe('LiveInfo', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('tells of a new INFO that changes something, at use and while it is watched', () => {
    const nats: { info: ServerInfo | undefined } = { info: said({}) }
    const changes: unknown[] = []
    const live: LiveInfo = new LiveInfo(() => void changes.push(live.read()?.maxPayloadBytes))
    expect(live.read()).toBeUndefined()
    live.follow(nats as NatsConnection)
    expect(live.read()).toEqual({ maxPayloadBytes: 1000, serverVersion: '2.15.2', headers: true, jetstream: false })
    nats.info = said({ max_payload: 2000 })
    live.read()
    expect(changes).toEqual([2000])
    nats.info = said({ max_payload: 2000, client_id: 7 })
    live.read()
    nats.info = undefined
    expect(live.read()?.maxPayloadBytes).toBe(2000)
    nats.info = said({ max_payload: 3000 })
    vi.advanceTimersByTime(1000)
    expect(changes).toEqual([2000])
    live.watch(true)
    vi.advanceTimersByTime(1000)
    expect(changes).toEqual([2000, 3000])
    live.watch(false)
    expect(vi.getTimerCount()).toBe(0)
  })
})
