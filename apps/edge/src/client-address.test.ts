// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { clientAddress, isBlock, isHeaderName, plainAddress, socketAddress } from './client-address.ts'

/** A request as node hands it over, headers as name, value, name, value. */
function request(remoteAddress: string, headers: readonly string[] = []): IncomingMessage {
  const incoming = new IncomingMessage(Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress }))
  incoming.rawHeaders = [...headers]
  return incoming
}

const trustedProxies = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7']

/** Whom a request is from, where the proxies in front write `header`. */
function addressOf(header: string, remoteAddress: string, headers: readonly string[]): string {
  return clientAddress({ trustedProxies, clientAddressHeader: header }).of(request(remoteAddress, headers))
}

describe('clientAddress (reliability T19)', () => {
  it.each([
    // socket, X-Forwarded-For, expected
    ['203.0.113.9', '1.2.3.4', '203.0.113.9'],
    ['10.1.1.1', '1.2.3.4', '1.2.3.4'],
    ['10.1.1.1', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['10.1.1.1', '6.6.6.6, 1.2.3.4, 10.2.2.2', '1.2.3.4'],
    ['10.1.1.1', '10.3.3.3, 10.2.2.2', '10.3.3.3'],
    ['10.1.1.1', '', '10.1.1.1'],
    ['10.1.1.1', 'unknown', '10.1.1.1'],
    ['10.1.1.1', '1.2.3.4, unknown', '10.1.1.1'],
    ['10.1.1.1', '1.2.3.4, _hidden, 10.2.2.2', '10.2.2.2'],
    ['10.1.1.1', '1.2.3.4:55555', '1.2.3.4'],
    ['10.1.1.1', '[2001:DB8::1]:443', '2001:db8::1'],
    ['10.1.1.1', '::ffff:1.2.3.4', '1.2.3.4'],
    ['10.1.1.1', '::ffff:10.9.9.9', '10.9.9.9'],
    ['::ffff:10.1.1.1', '1.2.3.4', '1.2.3.4'],
    ['fd00::1', '2001:db8::2', '2001:db8::2'],
    ['192.0.2.7', '1.2.3.4', '1.2.3.4'],
    ['192.0.2.8', '1.2.3.4', '192.0.2.8'],
    ['10.1.1.1', '1.2.3.4\u0000', '10.1.1.1'],
    ['10.1.1.1', '999.1.1.1', '10.1.1.1'],
    ['10.1.1.1', '1.2.3.4,', '10.1.1.1'],
  ])('from %s with X-Forwarded-For %j is %s', (socket, forwarded, expected) => {
    const headers = forwarded === '' ? [] : ['X-Forwarded-For', forwarded]
    expect(addressOf('x-forwarded-for', socket, headers)).toBe(expected)
  })

  it.each([
    ['for=1.2.3.4', '1.2.3.4'],
    ['for=6.6.6.6, for=1.2.3.4;proto=https;by=10.1.1.1', '1.2.3.4'],
    ['For="[2001:db8::1]:443"', '2001:db8::1'],
    ['proto=https; for="1.2.3.4:8080"', '1.2.3.4'],
    ['for=_secret', '10.1.1.1'],
    ['proto=https', '10.1.1.1'],
    ['for=1.2.3.4, for=10.2.2.2', '1.2.3.4'],
  ])('reads Forwarded %j', (forwarded, expected) => {
    const headers = ['Forwarded', forwarded, 'X-Forwarded-For', '6.6.6.6']
    expect(addressOf('forwarded', '10.1.1.1', headers)).toBe(expected)
    expect(addressOf('forwarded', '203.0.113.9', headers)).toBe('203.0.113.9')
  })

  it.each([
    // A proxy that writes X-Forwarded-For alone passes on what the client says elsewhere.
    ['x-forwarded-for', ['Forwarded', 'for=6.6.6.6', 'X-Forwarded-For', '1.2.3.4'], '1.2.3.4'],
    ['x-forwarded-for', ['Forwarded', 'for=6.6.6.6'], '10.1.1.1'],
    ['x-forwarded-for', ['X-Real-IP', '6.6.6.6', 'CF-Connecting-IP', '6.6.6.6'], '10.1.1.1'],
    ['forwarded', ['X-Forwarded-For', '6.6.6.6'], '10.1.1.1'],
    // Each proxy may add a line of its own; the last is of the nearest.
    ['x-forwarded-for', ['X-Forwarded-For', '6.6.6.6', 'x-forwarded-for', '1.2.3.4'], '1.2.3.4'],
    ['x-forwarded-for', ['X-Forwarded-For', '1.2.3.4', 'X-Forwarded-For', ''], '10.1.1.1'],
    ['forwarded', ['Forwarded', 'for=6.6.6.6', 'Forwarded', 'for=1.2.3.4'], '1.2.3.4'],
    ['forwarded', ['Forwarded', 'for="6.6.6.6', 'Forwarded', 'for=1.2.3.4'], '1.2.3.4'],
  ])('believes %s alone: %j is from %s', (header, headers, expected) => {
    expect(addressOf(header, '10.1.1.1', headers)).toBe(expected)
  })

  it.each([
    ['cf-connecting-ip', '1.2.3.4', '1.2.3.4'],
    ['CF-Connecting-IP', '2001:DB8:0::1', '2001:db8::1'],
    ['true-client-ip', '::ffff:1.2.3.4', '1.2.3.4'],
    ['x-real-ip', '1.2.3.4', '1.2.3.4'],
    ['x-real-ip', '10.9.9.9', '10.9.9.9'],
    ['x-real-ip', '6.6.6.6, 1.2.3.4', '10.1.1.1'],
    ['x-real-ip', 'unknown', '10.1.1.1'],
    ['x-real-ip', '', '10.1.1.1'],
    ['x-real-ip', '1.2.3.4"', '10.1.1.1'],
    ['cloudfront-viewer-address', '1.2.3.4:46532', '1.2.3.4'],
    ['cloudfront-viewer-address', '2001:db8::1:443', '2001:db8::1'],
    ['cloudfront-viewer-address', '2001:db8:1:2:3:4:5:6:443', '2001:db8:1:2:3:4:5:6'],
    ['cloudfront-viewer-address', '1.2.3.4', '10.1.1.1'],
    ['cloudfront-viewer-address', ':443', '10.1.1.1'],
  ])('reads %s %j as %s', (header, value, expected) => {
    const others = ['X-Forwarded-For', '6.6.6.6', 'Forwarded', 'for=6.6.6.6']
    expect(addressOf(header, '10.1.1.1', [...others, header, value])).toBe(expected)
    // Neither who is no proxy nor who says it twice is believed.
    expect(addressOf(header, '203.0.113.9', [header, value])).toBe('203.0.113.9')
    expect(addressOf(header, '10.1.1.1', [header, '6.6.6.6:1', header, value])).toBe('10.1.1.1')
  })

  it('believes nobody by default', () => {
    const headers = ['X-Forwarded-For', '1.2.3.4']
    const none = clientAddress({ trustedProxies: [], clientAddressHeader: 'x-forwarded-for' })
    expect([none, socketAddress].map((each) => each.of(request('127.0.0.1', headers)))).toEqual([
      '127.0.0.1',
      '127.0.0.1',
    ])
  })
})

describe('isBlock', () => {
  it.each(['10.0.0.0/8', '10.1.2.3', '::1', 'fd00::/8', '0.0.0.0/0'])('accepts %s', (entry) => {
    expect(isBlock(entry)).toBe(true)
  })

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    'host',
    '10.0.0.0/8 ',
  ])('refuses %j', (entry) => {
    expect(isBlock(entry)).toBe(false)
  })
})

describe('isHeaderName', () => {
  it.each(['x-forwarded-for', 'Forwarded', 'X_Client.IP'])('accepts %s', (name) => {
    expect(isHeaderName(name)).toBe(true)
  })

  it.each(['', ' ', 'x-forwarded-for, forwarded', 'x real ip', 'x-real-ip:', 'x\r\ny', 'é'])('refuses %j', (name) => {
    expect(isHeaderName(name)).toBe(false)
  })
})

describe('plainAddress', () => {
  it.each([
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:127.0.0.1', '127.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8::1', '2001:db8::1'],
  ])('of %s is %s', (address, plain) => {
    expect(plainAddress(address)).toBe(plain)
  })
})
