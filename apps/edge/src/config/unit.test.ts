// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseByteRate, parseDuration, parseSize } from './unit.ts'

describe('parseDuration', () => {
  it.each([
    ['250ms', 250],
    ['5s', 5000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ])('reads %s as %i milliseconds', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '5', '5 s', '-1s', 's', '1d', '1e3ms', '5S', '5s ', '.5s'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})

describe('parseSize', () => {
  it.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['0.5MiB', 524_288],
    ['1GiB', 1_073_741_824],
  ])('reads %s as %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each(['', '1', '1MB', '1kb', '1 MiB', '-1B', 'MiB'])('refuses %j', (text) => {
    expect(parseSize(text)).toBeUndefined()
  })
})

describe('parseByteRate', () => {
  it('reads a size per second and nothing else', () => {
    expect(parseByteRate('1KiB/s')).toBe(1024)
    expect(parseByteRate('1KiB')).toBeUndefined()
    expect(parseByteRate('1KiB/m')).toBeUndefined()
  })
})
