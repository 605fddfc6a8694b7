// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { matches, parsePattern } from './pattern.ts'
import { parseSubject } from './subject.ts'

const patterns = [
  ['a', '*', 'a.b', 'a.*', '*.b', '*.*', 'a.*.c', '*.b.*', '*.*.*', 'a.b.c', 'größe.*', '東京', 'x-1.>', 'A.b'],
  ['>', 'a.>', '*.>', 'a.*.>', '*.b.>', 'a.b.c.>', 'a*.b', 'a.>b', '*b.>', '{a}.*'],
].flat()
const subjects = [
  ['a', 'b', 'ab', 'a.b', 'a.c', 'b.b', 'a.b.c', 'a.x.c', 'b.b.b', 'a.b.c.d', 'größe.1', '東京', 'x-1', 'x-1.y.z'],
  ['A.b', 'a*.b', 'ax.b', 'a.>b', 'a.xb', '*b.c', 'bb.c', '{a}.b', 'a.$SYS', '🚀.b'],
].flat()

describe.each(inject('natsServers'))('nats-server $version', (binary) => {
  let server: NatsServer
  let connections: NatsConnection[]

  beforeAll(async () => {
    server = await startNatsServer({ binary, jetstream: false })
    connections = await Promise.all([1, 2].map(() => connect({ servers: server.url, reconnect: false })))
  })

  afterAll(async () => {
    await Promise.all(connections.map((connection) => connection.close()))
    await server.stop()
  })

  it('delivers to each pattern exactly the subjects that match it', async () => {
    const [listener, publisher] = connections
    if (listener === undefined || publisher === undefined) throw new Error('not connected')
    const delivered = new Set<string>()
    for (const text of patterns) {
      listener.subscribe(text, { callback: (_, message) => void delivered.add(`${text} <- ${message.subject}`) })
    }
    await listener.flush()
    for (const text of subjects) publisher.publish(text)
    await publisher.flush()
    await listener.flush()

    const expected = new Set<string>()
    for (const outer of patterns) {
      const pattern = parsePattern(outer, { embeddedWildcards: true }) ?? expect.fail(outer)
      for (const text of subjects) {
        const subject = parseSubject(text, { embeddedWildcards: true }) ?? expect.fail(text)
        if (matches(pattern, subject)) expected.add(`${outer} <- ${text}`)
      }
    }
    expect([...delivered].sort()).toEqual([...expected].sort())
    expect(expected.size).toBeGreaterThan(100)
  })
})
