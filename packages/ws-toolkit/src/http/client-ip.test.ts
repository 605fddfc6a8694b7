// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Hono, type Context } from 'hono'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { wsGateway } from '../index.ts'
import { hosts, open } from '../upgrade/hosts.test-support.ts'
import { AddressBlocks, parseAddress } from './address.ts'
import { clientIp, type ClientIpOptions } from './client-ip.ts'
import { pickHeaders } from './pick-headers.ts'

const trust = ['10.0.0.0/8', '2001:db8:ffff::/48']

/** What node:http would hand over. */
async function addressOf(options: ClientIpOptions, socket: string, headers: readonly string[] = []): Promise<string> {
  const app = new Hono()
  app.get('/', (c) => c.text(clientIp(options)(c)))
  const incoming = { socket: { remoteAddress: socket }, rawHeaders: headers, url: '/', method: 'GET' }
  return (await app.request('/', {}, { incoming })).text()
}

function xff(value: string): readonly string[] {
  return ['X-Forwarded-For', value]
}

function forwarded(value: string): readonly string[] {
  return ['Forwarded', value]
}

describe('clientIp', () => {
  it.each([
    // From an address that is not trusted nothing is believed.
    ['198.51.100.7', xff('192.0.2.1'), '198.51.100.7'],
    ['198.51.100.7', ['X-Real-Ip', '192.0.2.1'], '198.51.100.7'],
    ['198.51.100.7', ['CF-Connecting-IP', '192.0.2.1'], '198.51.100.7'],
    ['10.0.0.1', ['X-Real-Ip', '192.0.2.1'], '10.0.0.1'],
    ['10.0.0.1', ['True-Client-IP', '192.0.2.1'], '10.0.0.1'],
    ['10.0.0.1', forwarded('for=192.0.2.1'), '10.0.0.1'],
    ['10.0.0.1', [], '10.0.0.1'],
    ['10.0.0.1', xff('192.0.2.1'), '192.0.2.1'],
    // Right to left, over the proxies that are trusted.
    ['10.0.0.1', xff('192.0.2.66, 192.0.2.1'), '192.0.2.1'],
    ['10.0.0.1', xff('192.0.2.66, 192.0.2.1, 10.9.9.9'), '192.0.2.1'],
    ['10.0.0.1', xff('10.1.1.1, 10.2.2.2'), '10.1.1.1'],
    ['10.0.0.1', [...xff('192.0.2.66'), ...xff('192.0.2.1')], '192.0.2.1'],
    ['10.0.0.1', ['x-forwarded-for', '192.0.2.66', 'X-FORWARDED-FOR', '192.0.2.1'], '192.0.2.1'],
    ['10.0.0.1', xff('  192.0.2.1  '), '192.0.2.1'],
    // What cannot be read ends the way: the last who is known is the client.
    ['10.0.0.1', xff(''), '10.0.0.1'],
    ['10.0.0.1', xff(','), '10.0.0.1'],
    ['10.0.0.1', xff('unknown'), '10.0.0.1'],
    ['10.0.0.1', xff('192.0.2.1, unknown'), '10.0.0.1'],
    ['10.0.0.1', xff('192.0.2.1, 10.5.5.5, not-an-ip, 10.6.6.6'), '10.6.6.6'],
    ['10.0.0.1', xff('192.0.2.999'), '10.0.0.1'],
    ['10.0.0.1', xff('192.0.2'), '10.0.0.1'],
    ['10.0.0.1', xff('0300.0250.1.1'), '10.0.0.1'],
    ['10.0.0.1', xff('192.0.2.1 evil'), '10.0.0.1'],
    ['10.0.0.1', xff('<script>'), '10.0.0.1'],
    ['10.0.0.1', xff('localhost'), '10.0.0.1'],
    // Ports and forms.
    ['10.0.0.1', xff('192.0.2.1:5555'), '192.0.2.1'],
    ['10.0.0.1', xff('192.0.2.1:555555'), '10.0.0.1'],
    ['10.0.0.1', xff('[2001:db8::1]:5555'), '2001:db8::1'],
    ['10.0.0.1', xff('[2001:db8::1]'), '2001:db8::1'],
    ['10.0.0.1', xff('2001:db8::1'), '2001:db8::1'],
    ['10.0.0.1', xff('2001:DB8:0:0::0:1'), '2001:db8::1'],
    ['10.0.0.1', xff('::ffff:192.0.2.1'), '192.0.2.1'],
    ['10.0.0.1', xff('::ffff:c000:201'), '192.0.2.1'],
    ['10.0.0.1', xff('fe80::1%eth0'), 'fe80::1'],
    ['10.0.0.1', xff('192.0.2.1, 2001:db8:ffff::5'), '192.0.2.1'],
    ['::ffff:10.0.0.1', xff('192.0.2.1'), '192.0.2.1'],
    ['2001:db8:ffff::9', xff('192.0.2.1'), '192.0.2.1'],
    ['2001:db8:fffe::9', xff('192.0.2.1'), '2001:db8:fffe::9'],
    ['', xff('192.0.2.1'), ''],
  ] as [string, readonly string[], string][])('from %j with %j: %j (D25)', async (socket, headers, address) => {
    expect(await addressOf({ trust }, socket, headers)).toBe(address)
  })

  it.each([
    ['for=192.0.2.1', '192.0.2.1'],
    ['For=192.0.2.1;proto=https;by=10.0.0.1', '192.0.2.1'],
    ['proto=https; for=192.0.2.1', '192.0.2.1'],
    ['for="192.0.2.1:80"', '192.0.2.1'],
    ['for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['for="[2001:db8::1]"', '2001:db8::1'],
    ['for=192.0.2.66, for=192.0.2.1', '192.0.2.1'],
    ['for=192.0.2.66, for=192.0.2.1, for=10.3.3.3', '192.0.2.1'],
    ['for=_hidden', '10.0.0.1'],
    ['for=unknown, for=10.3.3.3', '10.3.3.3'],
    ['by=192.0.2.1', '10.0.0.1'],
    ['xfor=192.0.2.1', '10.0.0.1'],
    ['for="192.0.2.1:_hidden"', '192.0.2.1'],
    ['for="[2001:db8::1]:_a.b-c"', '2001:db8::1'],
    ['for="unknown:_a"', '10.0.0.1'],
    // A quote the client leaves open does not swallow what the proxy adds.
    ['for=192.0.2.66;x=", for=192.0.2.1', '192.0.2.1'],
    ['for="192.0.2.66, for=192.0.2.1', '192.0.2.1'],
  ])('reads Forwarded %j: %j', async (value, address) => {
    expect(await addressOf({ trust, header: 'Forwarded' }, '10.0.0.1', forwarded(value))).toBe(address)
  })

  it.each([
    ['cf-connecting-ip', '192.0.2.1', '192.0.2.1'],
    ['CF-Connecting-IP', '2001:DB8::1', '2001:db8::1'],
    ['x-real-ip', '192.0.2.1', '192.0.2.1'],
    // A port behind every address, no brackets around IPv6.
    ['cloudfront-viewer-address', '192.0.2.1:46532', '192.0.2.1'],
    ['cloudfront-viewer-address', '2001:db8:0:1:2:3:4:5:46532', '2001:db8:0:1:2:3:4:5'],
    ['cloudfront-viewer-address', '[2001:db8::1]:46532', '2001:db8::1'],
    ['cloudfront-viewer-address', '2001:db8::1:443', '2001:db8::1'],
    ['cloudfront-viewer-address', '2001:db8::1:', '10.0.0.1'],
    ['cloudfront-viewer-address', '192.0.2.1', '10.0.0.1'],
    ['cloudfront-viewer-address', 'nonsense', '10.0.0.1'],
    // One address, or nothing that is known.
    ['x-real-ip', '192.0.2.66, 192.0.2.1', '10.0.0.1'],
    ['cf-connecting-ip', '192.0.2.1,', '10.0.0.1'],
    ['true-client-ip', '', '10.0.0.1'],
    ['x_client.ip', '192.0.2.1', '192.0.2.1'],
  ])('reads %s %j: %j (D25)', async (header, value, address) => {
    expect(await addressOf({ trust, header }, '10.0.0.1', [header, value, ...xff('192.0.2.66')])).toBe(address)
    expect(await addressOf({ trust, header }, '198.51.100.7', [header, value])).toBe('198.51.100.7')
  })

  it.each(['cf-connecting-ip', 'X-Real-IP', 'cloudfront-viewer-address'])(
    'believes neither of two lines of %s',
    async (header) => {
      const line = (port: number): readonly string[] => [header, `192.0.2.66:${port}`]
      expect(await addressOf({ trust, header }, '10.0.0.1', line(1))).toBe('192.0.2.66')
      expect(await addressOf({ trust, header }, '10.0.0.1', [...line(1), ...line(2)])).toBe('10.0.0.1')
    },
  )

  it('tells the same without a Context, and which addresses are of proxies', () => {
    const ip = clientIp({ trust })
    const request = (remoteAddress: string): IncomingMessage => {
      const incoming = new IncomingMessage(
        Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress }),
      )
      incoming.rawHeaders = [...xff('192.0.2.1')]
      return incoming
    }
    expect([ip.of(request('10.0.0.1')), ip.of(request('198.51.100.7'))]).toStrictEqual(['192.0.2.1', '198.51.100.7'])
    const addresses = ['10.0.0.1', '::ffff:10.0.0.1', '2001:DB8:ffff::1', '192.0.2.1', 'proxy', '']
    expect(addresses.map((address) => ip.isTrusted(address))).toStrictEqual([true, true, true, false, false, false])
    expect(clientIp().isTrusted('10.0.0.1')).toBe(false)
  })

  it('believes no header without trust', async () => {
    expect(await addressOf({}, '10.0.0.1', xff('192.0.2.1'))).toBe('10.0.0.1')
  })

  it('knows no address where there is no socket', async () => {
    const app = new Hono()
    app.get('/', (c) => c.text(`[${clientIp({ trust })(c)}]`))
    expect(await (await app.request('/', { headers: { 'x-forwarded-for': '192.0.2.1' } })).text()).toBe('[]')
  })

  it.each([
    [{ trust: ['10.0.0.0/33'] }, 'clientIp.trust: "10.0.0.0/33" is neither'],
    [{ trust: ['2001:db8::/129'] }, 'clientIp.trust:'],
    [{ trust: ['10.0.0.0/'] }, 'clientIp.trust:'],
    [{ trust: ['10.0.0.0/8/8'] }, 'clientIp.trust:'],
    [{ trust: ['10.0.0.0/-1'] }, 'clientIp.trust:'],
    [{ trust: ['proxy.local'] }, 'clientIp.trust: "proxy.local" is neither an address nor a CIDR block'],
    [{ trust: '10.0.0.1' as never }, 'clientIp.trust: "10.0.0.1" is not a list'],
    [{ header: 'a b' }, 'clientIp.header: "a b"'],
    [{ header: '' }, 'clientIp.header: ""'],
    [{ header: 'x-forwarded-for, forwarded' }, 'clientIp.header:'],
    [{ proxies: [] } as object, 'there is no option "proxies"'],
  ])('throws at %j', (options, message) => {
    expect(() => clientIp(options)).toThrow(message)
  })

  it('gives no address that a client behind no proxy has made up', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 40 })), async (values) => {
        const headers = values.flatMap((value) => xff(value))
        expect(await addressOf({ trust }, '198.51.100.7', headers)).toBe('198.51.100.7')
        const address = await addressOf({ trust }, '10.0.0.1', headers)
        expect(parseAddress(address)).toBe(address)
      }),
      { numRuns: Math.ceil(inject('propertyRuns') / 10) },
    )
  })
})

describe('parseAddress', () => {
  it('writes every IPv6 address in one way', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const address = parseAddress(text)
        expect(address).toBeDefined()
        expect(parseAddress(address ?? '')).toBe(address)
        expect(parseAddress(text.toUpperCase())).toBe(address)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})

describe('AddressBlocks', () => {
  it('holds single addresses and blocks of both families', () => {
    const blocks = new AddressBlocks('x', ['192.0.2.1', '10.0.0.0/8', '2001:db8::/32', '0.0.0.0/32'])
    const held = ['192.0.2.1', '10.255.0.1', '2001:db8:1::', '0.0.0.0']
    const others = ['192.0.2.2', '11.0.0.1', '2001:db9::', '::1', '0.0.0.1']
    expect([
      held.map((address) => blocks.holds(address)),
      others.map((address) => blocks.holds(address)),
    ]).toStrictEqual([held.map(() => true), others.map(() => false)])
  })
})

describe.each(hosts)('a gateway with clientIp() under $name', ({ start }) => {
  it('knows the addresses of its clients', async () => {
    const gateway = wsGateway({ clientIp: clientIp({ trust: ['127.0.0.1'] }) })
    gateway.channel('/').default(({ connection }) => connection.ip)
    const host = await start(new Hono().route('/', gateway.routes))
    const { ws, next } = await open(host, '/', { headers: { 'x-forwarded-for': '192.0.2.66, 192.0.2.1' } })
    ws.send('?')
    expect(await next()).toBe('192.0.2.1')
  })
})

describe('pickHeaders', () => {
  async function picked(names: readonly string[]): Promise<unknown> {
    const app = new Hono()
    app.get('/', (c: Context) => c.json(pickHeaders(c, names)))
    app.onError((error, c) => c.text(error.message, 500))
    const headers = { authorization: 'Bearer x', cookie: 'a=b', 'x-a': '1', 'x-b': '2' }
    const response = await app.request('/', { headers })
    return response.status === 200 ? response.json() : response.text()
  }

  it('takes what is named, and nothing else', async () => {
    expect(await picked(['Authorization', 'X-A', 'x-missing'])).toStrictEqual({ authorization: 'Bearer x', 'x-a': '1' })
  })

  it.each(['Host', 'Connection', 'Upgrade', 'Content-Length', 'Transfer-Encoding', 'Sec-WebSocket-Key', 'Nats-Msg-Id'])(
    'refuses to take %s',
    async (name) => {
      expect(await picked([name])).toBe(`pickHeaders: "${name}" is never passed on`)
    },
  )
})
