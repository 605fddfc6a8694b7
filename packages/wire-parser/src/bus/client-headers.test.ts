// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { headers as clientHeaders, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { describe, expect, inject, it } from 'vitest'
import { HeaderBlock } from '../headers.ts'
import type { BusMessage } from '../message-bus.ts'
import { busFromConnection } from '../bus.ts'
import { bytes, connectTo, eventually, pattern, RawClient, startBroker, subject, text } from './broker.test-support.ts'
import { carriesBytes, headerCarrier, incomingHeaders, reencodingCarrier, subjectBytes } from './client-headers.ts'

// Repeats, order, case, blanks, an empty value, bytes that are not UTF-8.
const block = 'NATS/1.0\r\nb: 1\r\nB:2\r\nb:  3 \r\nE:\r\nraw: \xff\xfe\x80\r\nu: \xe2\x82\xac\r\n\r\n'

describe.each(inject('natsServers'))('headers through nats-server $version', (binary) => {
  it('reach the wire byte by byte', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server))
    const raw = await RawClient.connect(server)
    raw.send('SUB h.* 1\r\n')
    await raw.settled()
    const headers = HeaderBlock.fromBytes(bytes(block))
    bus.publish(subject('h.pub'), bytes('body'), { headers })
    bus.publish(subject('h.reply'), bytes('body'), { headers, reply: subject('r') })
    const pending = bus.request(subject('h.req'), bytes('body'), () => undefined, { timeoutMs: 5000, headers })
    await bus.flush()
    pending.cancel()
    await raw.settled()
    const sizes = `${block.length} ${block.length + 4}`
    expect(raw.received).toContain(`HMSG h.pub 1 ${sizes}\r\n${block}body\r\n`)
    expect(raw.received).toContain(`HMSG h.reply 1 r ${sizes}\r\n${block}body\r\n`)
    expect(raw.received).toMatch(/HMSG h\.req 1 _INBOX\.\S{30} /)
    expect(raw.received.split(block)).toHaveLength(4)
  })

  it('come from the wire byte by byte, in messages and in replies', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server))
    const raw = await RawClient.connect(server)
    const got: BusMessage[] = []
    bus.subscribe(pattern('h'), (message) => void got.push(message.copy()))
    raw.send('SUB q 1\r\n')
    await raw.settled()
    bus.request(subject('q'), bytes('?'), (reply) => void (reply.kind === 'message' && got.push(reply.copy())), {
      timeoutMs: 5000,
    })
    await eventually(() => raw.received.includes('MSG q'))
    const replyTo = /MSG q 1 (\S+)/.exec(raw.received)?.[1]
    const sizes = `${block.length} ${block.length + 4}`
    raw.send(`HPUB h ${sizes}\r\n${block}body\r\nHPUB ${replyTo} ${sizes}\r\n${block}body\r\n`)
    await eventually(() => got.length === 2)
    for (const message of got) {
      expect(message.headers && text(message.headers.bytes)).toBe(block)
      expect(text(message.payload)).toBe('body')
      expect(message.headers?.getAll('b')).toEqual(['1', '3 '])
    }
  })

  it('show whatever bytes the server passed on, and never throw', async () => {
    const server = await startBroker(binary)
    const bus = busFromConnection(await connectTo(server))
    const raw = await RawClient.connect(server)
    const got: (BusMessage | undefined)[] = []
    bus.subscribe(pattern('h'), (message) => void got.push(message.copy()))
    await bus.flush()
    for (const junk of ['garbage, no line at all', 'NATS/1.0 404 No Messages\r\n\r\n', 'NATS/1.0\r\n\0\r\n\r\n']) {
      raw.send(`HPUB h ${junk.length} ${junk.length}\r\n${junk}\r\n`)
    }
    await eventually(() => got.length === 3)
    expect(got.map((message) => [message?.headers?.status, [...(message?.headers?.entries() ?? [])]])).toEqual([
      [undefined, []],
      [404, []],
      [undefined, []],
    ])
    expect(got.every((message) => message?.payload.length === 0)).toBe(true)
  })

  it('cross both ways with the client encoding them, names and values kept', async () => {
    const server = await startBroker(binary)
    const nats = await connectTo(server)
    const entries = [
      ['b', '1'],
      ['B', '2'],
      ['b', '€'],
    ] as const
    const got: string[] = []
    nats.subscribe('h', {
      callback: (_error, message) => {
        const plain = { headers: message.headers, subject: message.subject } as Msg
        got.push(text(incomingHeaders(plain) ?? new Uint8Array(0)), text(subjectBytes(plain)))
      },
    })
    nats.publish('h', 'x', { headers: reencodingCarrier()(HeaderBlock.from(entries)) })
    await nats.flush()
    expect(got).toEqual(['NATS/1.0\r\nb: 1\r\nb: \xe2\x82\xac\r\nB: 2\r\n\r\n', 'h'])
  })
})

describe('the parts of nats-core used for headers', () => {
  it('are pinned to the version they were tried with', () => {
    const main = createRequire(import.meta.url).resolve('@nats-io/nats-core')
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(main), '../package.json'), 'utf8'))
    expect(manifest).toMatchObject({ name: '@nats-io/nats-core', version: '3.3.1' })
  })

  it('are found on a real connection', async () => {
    const [binary] = inject('natsServers')
    if (binary === undefined) throw new Error('no nats-server')
    const nats = await connectTo(await startBroker(binary))
    const before = nats.stats()
    expect(carriesBytes(nats)).toBe(true)
    expect(nats.stats()).toEqual(before)
  })

  it.each([
    ['has no such parts', {}],
    [
      'asks headers for something else',
      { protocol: { publish: (_s: string, _p: unknown, o: { headers: Map<string, string> }) => o.headers.keys() } },
    ],
    [
      'encodes them itself',
      {
        protocol: {
          publish(this: { sendCommand: (...parts: unknown[]) => void }) {
            this.sendCommand('HPUB s r 1 2\r\n', new Uint8Array(1))
          },
        },
      },
    ],
  ])('are not used on a client that %s', (_name, client) => {
    const nats = client as unknown as NatsConnection
    expect(carriesBytes(nats)).toBe(false)
    const carried = headerCarrier(nats)(HeaderBlock.from([['a', '1']]))
    expect([carried.get('a'), carried.keys()]).toEqual(['1', ['a']])
  })

  it('are replaced by the interface where they are missing: status, description, no headers', () => {
    const headers = clientHeaders(404, 'No Messages')
    headers.append('a', '1')
    expect(text(incomingHeaders({ headers } as Msg) ?? new Uint8Array(0))).toBe(
      'NATS/1.0 404 No Messages\r\na: 1\r\n\r\n',
    )
    expect(incomingHeaders({} as Msg)).toBeUndefined()
  })

  it('leave a name the client refuses unsupported', () => {
    const headers = HeaderBlock.from([['é', '1']])
    expect(() => reencodingCarrier()(headers)).toThrow(expect.objectContaining({ code: 'unsupported' }))
  })
})
