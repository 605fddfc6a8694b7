// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { resolveSocketOptions, type SocketOptions } from './socket-options.ts'

describe('resolveSocketOptions', () => {
  it('fills in every default', () => {
    expect(resolveSocketOptions({})).toMatchObject({
      maxMessageBytes: 1_048_576,
      maxFragments: 128,
      subprotocols: [],
      origins: 'same',
      missingOrigin: 'no-cookie',
      compression: false,
      upgradeTimeoutMs: 30_000,
      surface: 'ws',
    })
    expect(resolveSocketOptions({ compression: {} }).compression).toEqual({
      level: 1,
      thresholdBytes: 1024,
      contextTakeover: false,
    })
  })

  it('is frozen and leaves its input alone', () => {
    const options: SocketOptions = { subprotocols: ['a'], origins: ['https://a.example'] }
    const resolved = resolveSocketOptions(options)
    expect(Object.isFrozen(resolved)).toBe(true)
    expect(Object.isFrozen(resolved.subprotocols)).toBe(true)
    expect(Object.isFrozen(options)).toBe(false)
    expect(Object.isFrozen(options.subprotocols)).toBe(false)
  })

  it.each<[SocketOptions, RegExp]>([
    [{ maxMessageBytes: 0 }, /^maxMessageBytes: 0 /],
    [{ maxMessageBytes: 2 ** 31 }, /^maxMessageBytes: 2147483648 /],
    [{ maxFragments: 1.5 }, /^maxFragments: 1.5 /],
    [{ upgradeTimeoutMs: -1 }, /^upgradeTimeoutMs: -1 /],
    [{ subprotocols: ['a b'] }, /^subprotocols: "a b" /],
    [{ subprotocols: [''] }, /^subprotocols: "" /],
    [{ origins: ['null'] }, /^origins: "null" /],
    [{ origins: 'any' as '*' }, /^origins: "any" /],
    [{ missingOrigin: 'never' as 'deny' }, /^missingOrigin: "never" /],
    [{ compression: { level: 10 } }, /^compression\.level: 10 /],
    [{ compression: { thresholdBytes: -1 } }, /^compression\.thresholdBytes: -1 /],
    [{ compression: true as never }, /^compression: true /],
  ])('names the option and the value in %j', (options, message) => {
    expect(() => resolveSocketOptions(options)).toThrow(message)
  })
})
