// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { AddressList, AddressRules } from './address-rules.ts'
import { canonicalIp, handshakeIp } from './client-address.ts'

describe('an address', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:10.1.2.3', '10.1.2.3'],
    ['FE80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    [undefined, ''],
  ])('%s is %s in its one form', (address, canonical) => {
    expect(canonicalIp(address)).toBe(canonical)
  })

  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', '10.0.0.1', false],
    ['192.168.0.7', '192.168.0.7', true],
    ['192.168.0.7', '192.168.0.8', false],
    ['0.0.0.0/0', '1.2.3.4', true],
    ['::1', '::1', true],
  ])('%s holds %s: %s', (range, ip, holds) => {
    expect(new AddressList('x', [range]).has(ip)).toBe(holds)
  })

  it.each(['10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', 'fd00::/129', 'example.com', '', '10.0.0', '10.0.0.0/x'])(
    '%j is neither an address nor a range',
    (entry) => {
      expect(() => new AddressList('where', [entry])).toThrow('where')
    },
  )

  it('is refused where it is denied, or not among those allowed', () => {
    const rules = new AddressRules('x', { allow: ['10.0.0.0/8'], deny: ['10.6.6.6'] })
    expect(['10.1.1.1', '10.6.6.6', '9.9.9.9', ''].map((ip) => rules.allows(ip))).toEqual([true, false, false, true])
    expect(new AddressRules('x', {}).allows('9.9.9.9')).toBe(true)
  })
})

describe('the address of a handshake (reliability T19)', () => {
  it.each([
    ['a stranger may say what he likes', '9.9.9.9', '1.1.1.1', '9.9.9.9'],
    ['a proxy is believed', '10.0.0.1', '1.1.1.1', '1.1.1.1'],
    ['what a client put before the proxy is not', '10.0.0.1', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
    ['a proxy behind a proxy is passed over', '10.0.0.1', '1.1.1.1, 10.0.0.2', '1.1.1.1'],
    ['nonsense ends the way', '10.0.0.1', '1.1.1.1, unknown, 10.0.0.2', '10.0.0.2'],
    ['no header is no hop', '10.0.0.1', undefined, '10.0.0.1'],
    ['mapped addresses are IPv4', '::ffff:10.0.0.1', '::ffff:1.1.1.1', '1.1.1.1'],
  ])('%s', async (_name, peer, forwarded, ip) => {
    const trusted = new AddressList('x', ['10.0.0.0/8'])
    const app = new Hono().get('/', (c) => c.text(handshakeIp(c, trusted)))
    const headers: Record<string, string> = forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded }
    const response = await app.request('/', { headers }, { incoming: { socket: { remoteAddress: peer } } })
    expect(await response.text()).toBe(ip)
  })

  it('is empty where nothing is known of the peer', async () => {
    const app = new Hono().get('/', (c) => c.text(`<${handshakeIp(c, new AddressList('x', []))}>`))
    expect(await (await app.request('/')).text()).toBe('<>')
  })
})
