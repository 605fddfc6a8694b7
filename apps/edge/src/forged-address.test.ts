// SPDX-License-Identifier: Apache-2.0
import type { NatsServer } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, startBroker, startEdge, until } from './edge.test-support.ts'
import type { TestEdge } from './edge.test-support.ts'

let broker: NatsServer
let nats: NatsConnection
const running: TestEdge[] = []
const clients: RawClient[] = []

function answer(subject: string, reply: (message: Msg) => string): void {
  nats.subscribe(subject, {
    callback: (_error, message) => {
      message.respond(reply(message))
    },
  })
}

beforeAll(async () => {
  broker = await startBroker()
  nats = await connect({ servers: broker.url })
  answer('who.rest', () => 'rest')
  answer('who.ws', (message) => `"${message.headers?.get('Ws-Ip')}"`)
  await nats.flush()
})

afterAll(async () => {
  await nats.close()
  await broker.stop()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  for (const each of running.splice(0)) await each.close({ graceMs: 0 })
})

/** An edge behind a proxy of loopback, on every surface of which addresses count. */
async function started(proxies: Readonly<Record<string, unknown>>): Promise<TestEdge> {
  const each = await startEdge(broker.url, {
    listen: { public: { address: '127.0.0.1:0', ...proxies }, admin: { address: '127.0.0.1:0' } },
    rest: {
      path: '/api',
      routes: [
        {
          path: '/who',
          subject: 'who.rest',
          envelope: 'headers',
          rateLimit: { by: 'ip', ratePerSecond: 0.001, burst: 1 },
        },
      ],
    },
    ws: { path: '/ws', channels: { who: { codec: 'json', default: { nats: 'request', subject: 'who.ws' } } } },
    wire: { addresses: { deny: ['192.0.2.1', '2001:db8::1'] } },
  })
  running.push(each)
  await each.ready()
  return each
}

const upgrade =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

function send(each: TestEdge, path: string, headers: readonly string[], more = ''): RawClient {
  const client = new RawClient(each.url)
  clients.push(client)
  const lines = headers.map((line) => `${line}\r\n`).join('')
  return client.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${lines}${more}\r\n`)
}

async function statusOf(client: RawClient): Promise<number> {
  return Number((await client.until(/^HTTP\/1\.1 \d{3} /)).slice(9, 12))
}

/** The address that a service is told of a client over WebSocket. */
async function toldOf(each: TestEdge, headers: readonly string[]): Promise<unknown> {
  const socket = send(each, '/ws/who', headers, upgrade)
  await socket.until(/\r\n\r\n/)
  const message = Buffer.from('{"type":"a","id":1}')
  const head = Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0])
  socket.send(Buffer.concat([head, message]).toString('latin1'))
  const text = await socket.until(/"data":"[^"]*"/)
  return /"data":"([^"]*)"/.exec(text)?.[1]
}

async function logged(each: TestEdge, count: number): Promise<readonly unknown[]> {
  return until(`${count} requests are logged`, () => {
    const lines = each.lines.filter(({ msg }) => msg === 'request')
    return lines.length >= count && lines.map(({ ip }) => ip)
  })
}

const forged = (index: number): readonly string[] => [
  `Forwarded: for=198.51.100.${index}`,
  `X-Real-IP: 198.51.100.${index}`,
  `CF-Connecting-IP: 198.51.100.${index}`,
]

describe('a client that forges its address (reliability T19)', () => {
  it.each<readonly [string, Readonly<Record<string, unknown>>, (index: number) => readonly string[], string]>([
    [
      'behind a proxy that writes X-Forwarded-For',
      { trustedProxies: ['127.0.0.1'] },
      (index) => [...forged(index), `X-Forwarded-For: 198.51.100.${index}, 192.0.2.1`],
      '192.0.2.1',
    ],
    [
      'behind a proxy that adds a line',
      { trustedProxies: ['127.0.0.1'] },
      (index) => [...forged(index), `X-Forwarded-For: 198.51.100.${index}`, 'X-Forwarded-For: 192.0.2.1'],
      '192.0.2.1',
    ],
    [
      'behind a proxy that writes Forwarded',
      { trustedProxies: ['127.0.0.1'], clientAddressHeader: 'Forwarded' },
      (index) => [`X-Forwarded-For: 198.51.100.${index}`, `Forwarded: for=198.51.100.${index}, for="[2001:DB8::1]:80"`],
      '2001:db8::1',
    ],
    [
      'behind CloudFront',
      { trustedProxies: ['127.0.0.1'], clientAddressHeader: 'cloudfront-viewer-address' },
      (index) => [
        ...forged(index),
        `X-Forwarded-For: 198.51.100.${index}`,
        'CloudFront-Viewer-Address: 2001:db8::1:443',
      ],
      '2001:db8::1',
    ],
  ])('%s is still the one it is', async (_where, proxies, headers, address) => {
    const each = await started(proxies)
    // One request of that address is allowed, whatever else it says of itself.
    expect(await statusOf(send(each, '/api/who', headers(1)))).toBe(200)
    expect(await statusOf(send(each, '/api/who', headers(2)))).toBe(429)
    expect(await toldOf(each, headers(3))).toBe(address)
    expect(await statusOf(send(each, '/nats', headers(4), upgrade))).toBe(403)
    expect(await logged(each, 4)).toEqual([address, address, address, address])
  })

  it('directly is who its socket is', async () => {
    const each = await started({ trustedProxies: ['10.0.0.0/8'], clientAddressHeader: 'cf-connecting-ip' })
    const headers = ['CF-Connecting-IP: 192.0.2.1', 'X-Forwarded-For: 192.0.2.1', 'Forwarded: for=192.0.2.1']
    expect(await statusOf(send(each, '/api/who', headers))).toBe(200)
    expect(await statusOf(send(each, '/api/who', []))).toBe(429)
    expect(await toldOf(each, headers)).toBe('127.0.0.1')
    expect(await statusOf(send(each, '/nats', headers, upgrade))).toBe(101)
    expect(new Set(await logged(each, 4))).toEqual(new Set(['127.0.0.1']))
  })
})
