// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { BusError, isRefusal } from './index.ts'
import * as root from './index.ts'

const folder = new URL('./', import.meta.url)

describe('the root entry', () => {
  it('exports these values and no others', () => {
    expect(Object.keys(root).sort()).toEqual([
      'BusError',
      'HeaderBlock',
      'HeaderWriter',
      'Histogram',
      'LruMap',
      'Parser',
      'TokenBucket',
      'TokenBucketTable',
      'Verb',
      'WireError',
      'compilePermissions',
      'connectDefaults',
      'connectFault',
      'controlLineRoom',
      'decodeConnect',
      'decodeInfo',
      'durationBoundsSeconds',
      'encodeHeaderLines',
      'encodeOperation',
      'encodeToken',
      'isAllowed',
      'isRefusal',
      'isReserved',
      'isSubset',
      'isToken',
      'matches',
      'operationRoom',
      'overlaps',
      'parseOperations',
      'parsePattern',
      'parseSubject',
      'parseTemplate',
      'patchJson',
      'subjectFault',
      'subjectFromTokens',
      'verbName',
      'writeControlLine',
      'writeOperation',
    ])
  })

  it('imports nothing but its own files', async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.ts') && !name.includes('.test.'))
    for (const name of names.filter((each) => each !== 'bus.ts' && each !== 'gateway.ts')) {
      const source = await readFile(new URL(name, folder), 'utf8')
      const imported = [...source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms)].map((found) => found[1])
      for (const specifier of imported) expect(specifier, name).toMatch(/^\.\/[a-z0-9-]+\.ts$/)
    }
    expect(names.length).toBeGreaterThan(10)
  })
})

describe('isRefusal', () => {
  it('tells a refusal from a permit', () => {
    expect(isRefusal({ code: 'rate_limited', retryAfterMs: 1000 })).toBe(true)
    expect(isRefusal({ release: () => {}, identify: () => undefined })).toBe(false)
  })
})

describe('BusError', () => {
  it('carries a code, a kind and its cause', () => {
    const cause = new Error('socket')
    const error = new BusError('disconnected', 'the connection was lost', { cause })
    expect(error).toBeInstanceOf(Error)
    expect([error.name, error.kind, error.code, error.message, error.cause]).toEqual([
      'BusError',
      'error',
      'disconnected',
      'the connection was lost',
      cause,
    ])
  })
})
