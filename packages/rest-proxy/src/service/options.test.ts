// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { resolveOptions, type ServiceOptions } from './options.ts'

describe('resolveOptions', () => {
  it('has a default for everything', () => {
    expect(resolveOptions()).toEqual({
      queue: 'nats-edge',
      envelope: 'nats-proxy',
      maxConcurrent: 256,
      maxQueued: 1024,
      maxQueuedBytes: 67_108_864,
      maxQueuedMs: 10_000,
      maxBodyBytes: Infinity,
      onError: undefined,
      observe: undefined,
      signal: undefined,
    })
  })

  it.each([
    ['queue', 'a b', TypeError],
    ['queue', '', TypeError],
    ['queue', 'a*b', TypeError],
    ['queue', true, TypeError],
    ['envelope', 'publish', TypeError],
    ['maxConcurrent', 0, RangeError],
    ['maxConcurrent', 1.5, RangeError],
    ['maxConcurrent', Infinity, RangeError],
    ['maxQueued', -1, RangeError],
    ['maxQueuedBytes', Number.NaN, RangeError],
    ['maxQueuedMs', 0, RangeError],
    ['maxBodyBytes', -1, RangeError],
    ['onError', 'x', TypeError],
    ['observe', {}, TypeError],
  ])('refuses %s: %j and names it', (name, value, error) => {
    const options = { [name]: value } as ServiceOptions
    expect(() => resolveOptions(options)).toThrow(error)
    expect(() => resolveOptions(options)).toThrow(name)
  })

  it('keeps an observer that throws from doing harm', () => {
    const { observe } = resolveOptions({
      observe: () => {
        throw new Error('boom')
      },
    })
    expect(() => observe?.({ type: 'request.refused', route: '/', code: 'overloaded', status: 503 })).not.toThrow()
  })
})
