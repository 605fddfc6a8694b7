// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ServerAddress } from './server-address.ts'

function watched(servers: readonly string[]): { readonly server: ServerAddress; readonly moves: string[] } {
  const server = new ServerAddress(servers, false)
  const moves: string[] = []
  server.onMove((url) => moves.push(url))
  return { server, moves }
}

describe('the server the edge uses', () => {
  it('is the first of the configured ones, then the one it is connected to, in the form it was configured', () => {
    const { server, moves } = watched(['nats://a.example', 'tls://b.example:4333', 'C.example:4224', '[::1]:4225'])
    expect(server.url).toBe('nats://a.example')
    for (const current of ['a.example:4222', 'b.example:4333', 'c.example:4224', '::1:4225', '[::1]:4225']) {
      server.connected(current, true)
    }
    expect(moves).toEqual(['tls://b.example:4333', 'C.example:4224', '[::1]:4225'])
    expect(server.url).toBe('[::1]:4225')
  })

  it('stays the same where another one of its cluster was found', () => {
    const { server, moves } = watched(['a.example', 'not a server'])
    server.connected('10.0.0.7:4222', true)
    expect([server.url, moves]).toEqual(['a.example', []])
  })

  it('is unknown until an embedded broker runs', () => {
    const { server, moves } = watched([])
    expect(server.url).toBeUndefined()
    server.started('nats://127.0.0.1:40000')
    server.connected('127.0.0.1:40000', false)
    expect([server.url, moves]).toEqual(['nats://127.0.0.1:40000', ['nats://127.0.0.1:40000']])
  })

  it('is told of each time it asks nobody to log in', () => {
    const { server } = watched(['a.example'])
    let told = 0
    server.onOpen(() => told++)
    server.connected('a.example:4222', true)
    server.connected('a.example:4222', false)
    server.connected('a.example:4222', false)
    expect(told).toBe(2)
  })
})
