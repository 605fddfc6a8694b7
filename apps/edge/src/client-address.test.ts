// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { clientAddress, isBlock, plainAddress } from './client-address.ts'

function request(remoteAddress: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  const incoming = new IncomingMessage(Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress }))
  Object.assign(incoming.headers, headers)
  return incoming
}

const trusted = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7']

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
    const headers = forwarded === '' ? {} : { 'x-forwarded-for': forwarded }
    expect(clientAddress(trusted).of(request(socket, headers))).toBe(expected)
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
    const headers = { forwarded, 'x-forwarded-for': '6.6.6.6' }
    expect(clientAddress(trusted).of(request('10.1.1.1', headers))).toBe(expected)
  })

  it('believes nobody by default', () => {
    expect(clientAddress([]).of(request('127.0.0.1', { 'x-forwarded-for': '1.2.3.4' }))).toBe('127.0.0.1')
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
