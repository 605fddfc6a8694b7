// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { localhost } from './tls.test-support.ts'
import { WebSocketTransport } from './web-socket-transport.ts'

interface Open {
  readonly client: WebSocket
  readonly transport: WebSocketTransport
  readonly stream: Duplex
  /** What was handed out, as it was handed out. */
  readonly reads: Uint8Array[]
  /** The same, copied at once. */
  readonly text: () => string
  readonly closed: () => boolean
}

interface How {
  readonly server?: Server
  readonly keeps?: () => boolean
  readonly perMessageDeflate?: boolean
  /** Gets the stream under the WebSocket first. */
  readonly prepare?: (stream: Duplex) => void
}

/** Upgrades the next connection of a server. */
function upgraded(server: Server, how: How): Promise<Omit<Open, 'client'>> {
  const { keeps = () => false, perMessageDeflate = false, prepare } = how
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate })
  return new Promise((resolve) => {
    server.once('upgrade', (request, stream, head) => {
      prepare?.(stream)
      sockets.handleUpgrade(request, stream, head, (ws) => {
        Reflect.set(ws, Symbol.for('nats-edge.socket'), stream)
        const transport = new WebSocketTransport(ws, { outputFrames: 'binary', readBufferBytes: 65_536 })
        resolve({ transport, stream, ...start(transport, keeps) })
      })
    })
  })
}

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function open(how: How = {}): Promise<Open> {
  const { server = createServer(), perMessageDeflate = false } = how
  const opened = upgraded(server, how)
  const port = await listening(server)
  const scheme = server instanceof TlsServer ? 'wss' : 'ws'
  const client = new WebSocket(`${scheme}://127.0.0.1:${port}/`, { rejectUnauthorized: false, perMessageDeflate })
  onTestFinished(() => client.terminate())
  await once(client, 'open')
  return { client, ...(await opened) }
}

function start(transport: WebSocketTransport, keeps: () => boolean): Pick<Open, 'reads' | 'text' | 'closed'> {
  const reads: Uint8Array[] = []
  let text = ''
  let isClosed = false
  transport.start({
    data: (chunk) => {
      reads.push(chunk)
      text += Buffer.from(chunk).toString('latin1')
    },
    flush: keeps,
    drained: () => undefined,
    ended: () => undefined,
    closed: () => (isClosed = true),
  })
  return { reads, text: () => text, closed: () => isClosed }
}

/** What is sent in one turn may come in one read: each of these comes in its own. */
async function sendEach({ client, text }: Open, ...messages: readonly string[]): Promise<void> {
  for (const message of messages) {
    const { length } = text()
    client.send(Buffer.from(message))
    await expect.poll(() => text().length).toBe(length + message.length)
  }
}

/** Whether two reads were handed out from the same buffer. */
const isSame = ({ reads }: Open, a: number, b: number): boolean => reads.at(a)?.buffer === reads.at(b)?.buffer

// Fills the buffer that all connections share, so that this one gets its own.
const filling = 'x'.repeat(5000)

describe('WebSocketTransport', () => {
  it('reads into a buffer that is used again', async () => {
    const opened = await open()
    await sendEach(opened, filling, 'one', 'two', 'three')
    expect(opened.text()).toBe(`${filling}onetwothree`)
    expect(isSame(opened, -3, -2) && isSame(opened, -2, -1)).toBe(true)
    expect(opened.transport.bytesRead).toBe(filling.length + 8 + 'onetwothree'.length + 3 * 6)
  })

  it('takes another buffer while something refers to the bytes', async () => {
    const opened = await open({ keeps: () => true })
    await sendEach(opened, filling, 'one', 'two', 'three')
    const last = opened.reads.slice(-3).map((read) => Buffer.from(read).toString())
    expect(last).toEqual(['one', 'two', 'three'])
    expect(isSame(opened, -3, -2)).toBe(false)
  })

  it('takes another buffer where ws has got a part of a read', async () => {
    const opened = await open()
    await sendEach(opened, filling, 'one')
    opened.client.send('text')
    await expect.poll(opened.text).toBe(`${filling}onetext`)
    await sendEach(opened, 'two', 'three')
    expect(isSame(opened, -4, -2)).toBe(false)
    expect(isSame(opened, -2, -1)).toBe(true)
  })

  it('never writes over bytes that are kept, whatever else comes between', async () => {
    // What is kept is looked at when it is given back, and at the end.
    const kept: { read: Uint8Array; copy: Buffer }[] = []
    let compared = 0
    const compare = (): void => {
      compared += kept.length
      expect(kept.every(({ read, copy }) => copy.equals(read))).toBe(true)
      kept.length = 0
    }
    let seen = 0
    const keeps = (): boolean => {
      const read = opened.reads.at(-1)
      if (opened.reads.length > seen && read !== undefined) {
        seen = opened.reads.length
        if (seen % 7 === 0) compare()
        else kept.push({ read, copy: Buffer.from(read) })
      }
      return kept.length > 0
    }
    const opened = await open({ keeps })
    const { client } = opened
    const sent: string[] = []
    const rounds = Math.min(2000, inject('propertyRuns'))
    for (let i = 0; i < rounds; i++) {
      const message = String.fromCodePoint(65 + (i % 26)).repeat((i * 7919) % 9000)
      sent.push(message)
      if (i % 5 === 0) client.ping('control')
      if (i % 11 === 0) client.send(message)
      else if (i % 13 === 0) {
        client.send(Buffer.from(message.slice(0, 10)), { fin: false })
        client.send(Buffer.from(message.slice(10)))
      } else client.send(Buffer.from(message))
      if (client.bufferedAmount > 1_000_000) await expect.poll(() => client.bufferedAmount).toBe(0)
    }
    const all = sent.join('')
    await expect.poll(() => opened.text().length).toBe(all.length)
    expect(opened.text() === all).toBe(true)
    compare()
    expect(compared).toBeGreaterThan(10)
  })

  it('answers PING with what was in it, among messages', async () => {
    const { client, text } = await open()
    const pongs: string[] = []
    client.on('pong', (data) => pongs.push(data.toString()))
    for (let i = 0; i < 50; i++) {
      client.ping(`ping ${i}`)
      client.send(Buffer.from('x'.repeat(2000)))
    }
    await expect.poll(() => pongs.length).toBe(50)
    expect(pongs).toEqual(Array.from({ length: 50 }, (_value, at) => `ping ${at}`))
    await expect.poll(() => text().length).toBe(100_000)
  })

  it('pauses and resumes', async () => {
    const opened = await open()
    await sendEach(opened, 'first')
    opened.transport.pause()
    const flood = 'x'.repeat(20_000_000)
    opened.client.send(Buffer.from(flood))
    // A round trip on another connection is long enough for some of it to have come.
    await open()
    expect(opened.text()).toBe('first')
    opened.transport.resume()
    await expect.poll(() => opened.text().length).toBe(5 + flood.length)
  })

  it('hands out nothing behind the frame that closes', async () => {
    const { client, text, closed } = await open()
    const socket: unknown = Reflect.get(client, '_socket')
    client.send(Buffer.from('last'))
    client.close(1000)
    const behind = Buffer.from([0x82, 0x81, 0, 0, 0, 0, 65])
    for (let i = 0; i < 3; i++) (socket as Duplex).write(behind)
    await expect.poll(closed).toBe(true)
    expect(text()).toBe('last')
  })

  it.each([
    { what: 'compresses', how: { perMessageDeflate: true } },
    { what: 'is encrypted', how: { server: createTlsServer(localhost) } },
    {
      what: 'has no buffer to read into',
      how: {
        prepare: (stream: Duplex) => Reflect.set(Reflect.get(stream, '_handle') as object, 'useUserBuffer', undefined),
      },
    },
  ])('reads as node:http does where the socket $what', async ({ how }) => {
    const opened = await open(how)
    await sendEach(opened, 'one', 'x'.repeat(100_000), 'three')
    expect(opened.text()).toBe(`one${'x'.repeat(100_000)}three`)
    expect(opened.stream.listenerCount('data')).toBeGreaterThan(0)
  })

  it('reads what came with the handshake', async () => {
    const server = createServer()
    const opened = upgraded(server, {})
    const raw = connect(await listening(server), '127.0.0.1')
    onTestFinished(() => void raw.destroy())
    raw.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n' +
        '\x82\x81\0\0\0\0A\x82\x82\0\0\0\0B',
      'latin1',
    )
    const { text } = await opened
    await expect.poll(text).toBe('AB')
    raw.write('C\x82\x81\0\0\0\0D', 'latin1')
    await expect.poll(text).toBe('ABCD')
  })
})
