// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WriteWindow } from './write-window.ts'

const KIB = 1024

/** An owner whose round trips end when the test says so. */
class Server {
  readonly trips: { resolve: () => void; reject: (error: Error) => void }[] = []
  writables = 0

  roundTrip(): Promise<void> {
    return new Promise((resolve, reject) => this.trips.push({ resolve, reject }))
  }

  writable(): void {
    this.writables++
  }

  async pong(): Promise<void> {
    this.trips.shift()?.resolve()
    await Promise.resolve()
    await Promise.resolve()
  }
}

describe('WriteWindow', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('sends no PING below 256 KiB and one at a time above', async () => {
    const server = new Server()
    const window = new WriteWindow(8192 * KIB, server)
    window.accept(256 * KIB)
    expect(server.trips).toHaveLength(0)
    window.accept(1)
    window.accept(400 * KIB)
    expect(server.trips).toHaveLength(1)
    await server.pong()
    expect(window.pendingBytes).toBe(400 * KIB)
    expect(server.trips).toHaveLength(1)
    await server.pong()
    expect([window.pendingBytes, server.trips.length]).toEqual([0, 0])
  })

  it('confirms what is left after a second of quiet', async () => {
    const server = new Server()
    const window = new WriteWindow(8192 * KIB, server)
    window.accept(10)
    vi.advanceTimersByTime(999)
    expect(server.trips).toHaveLength(0)
    vi.advanceTimersByTime(1)
    await server.pong()
    expect(window.pendingBytes).toBe(0)
    vi.advanceTimersByTime(10_000)
    expect(server.trips).toHaveLength(0)
  })

  it('needs no PING where replies confirm', () => {
    const server = new Server()
    const window = new WriteWindow(8192 * KIB, server)
    for (let i = 0; i < 100; i++) {
      window.accept(200 * KIB)
      window.confirm(window.mark)
    }
    vi.advanceTimersByTime(2000)
    expect([window.pendingBytes, server.trips.length]).toEqual([0, 0])
  })

  it('takes an old confirmation for what it is', () => {
    const window = new WriteWindow(8192 * KIB, new Server())
    window.accept(100)
    const mark = window.mark
    window.accept(100)
    window.confirm(window.mark)
    window.confirm(mark)
    expect(window.pendingBytes).toBe(0)
  })

  it('refuses above the bound, and says writable once at half of it', () => {
    const server = new Server()
    const window = new WriteWindow(1000, server)
    expect(window.admits(1000)).toBe(true)
    window.accept(600)
    const early = window.mark
    expect(window.admits(401)).toBe(false)
    expect(window.admits(400)).toBe(true)
    window.accept(400)
    window.confirm(early - 200)
    expect(server.writables).toBe(0)
    window.confirm(early)
    expect(server.writables).toBe(1)
    window.confirm(window.mark)
    expect(server.writables).toBe(1)
  })

  it('admits one message of any size when nothing is pending, and no second', () => {
    const server = new Server()
    const window = new WriteWindow(1000, server)
    expect(window.admits(5000)).toBe(true)
    window.accept(5000)
    expect(window.admits(1)).toBe(false)
    expect(server.trips).toHaveLength(1)
  })

  it('says writable also when the refused message was too big for half the bound', async () => {
    const server = new Server()
    const window = new WriteWindow(1000, server)
    window.accept(100)
    expect(window.admits(950)).toBe(false)
    await server.pong()
    expect(server.writables).toBe(1)
  })

  it('forgets everything at a loss, the PING on its way included, and reopens afterwards', async () => {
    const server = new Server()
    const window = new WriteWindow(1000, server)
    window.accept(900)
    expect(window.admits(200)).toBe(false)
    window.reset()
    expect([window.pendingBytes, server.writables]).toEqual([0, 0])
    window.reopen()
    expect(server.writables).toBe(1)
    window.accept(900)
    await server.pong()
    expect(window.pendingBytes).toBe(900)
    server.trips.shift()?.reject(new Error('lost'))
    await Promise.resolve()
    expect(window.pendingBytes).toBe(900)
  })
})
