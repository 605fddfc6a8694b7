// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { steadyPort } from './steady-port.ts'

const ports = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, steadyPort))

async function take(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
}

describe('steadyPort', () => {
  it('gives a port below those that systems give by themselves, and another one each time', async () => {
    const given = await ports(40)
    expect(new Set(given).size).toBe(40)
    for (const port of given) expect(port).toSatisfy((each: number) => each > 1024 && each < 32_768)
  })

  it('comes round to those that are free, and passes over one that is taken', async () => {
    const taken = await steadyPort()
    await take(taken)
    expect(await ports(100)).not.toContain(taken)
  })

  it('says so when none is left', async () => {
    const takeAll = async (): Promise<never> => {
      for (;;) await take(await steadyPort())
    }
    await expect(takeAll()).rejects.toThrow(/^no port from \d+ to \d+ is free$/)
  })
})
