// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { isLoopback, listedHost, loopbackHost } from './host-check.ts'

describe('loopbackHost (reliability T29)', () => {
  it.each([
    'localhost',
    'localhost:8080',
    'LocalHost:1',
    '127.0.0.1',
    '127.0.0.1:8080',
    '127.9.9.9:1',
    '[::1]',
    '[::1]:8080',
  ])('accepts %s', (host) => {
    expect(loopbackHost(host)).toBe(true)
  })

  it.each([
    undefined,
    '',
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'localhost@evil.example',
    '10.0.0.1',
    '0.0.0.0:8080',
    '[::2]',
    '::1',
    'localhost:port',
    'localhost ',
    'localhost/x',
  ])('refuses %j', (host) => {
    expect(loopbackHost(host)).toBe(false)
  })
})

describe('listedHost', () => {
  it('accepts the listed names with any port, and no other', () => {
    const check = listedHost(['admin.internal', '[::1]'])
    expect(['admin.internal', 'ADMIN.internal:9180', '[::1]:9180'].map(check)).toEqual([true, true, true])
    expect(['localhost', 'xadmin.internal', 'admin.internal.evil', undefined].map(check)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

describe('isLoopback', () => {
  it('is true for addresses of this machine only', () => {
    expect(['127.0.0.1', '127.1.2.3', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true])
    expect(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '1127.0.0.1', 'example.org'].map(isLoopback)).toEqual(
      Array(6).fill(false),
    )
  })
})
