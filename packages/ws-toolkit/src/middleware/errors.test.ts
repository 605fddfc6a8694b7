// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { WsError } from '../ws-error.ts'
import { errors } from './errors.ts'
import { codeOf, itemsOf, requestOf, run, TestStream } from './request.test-support.ts'

describe('errors', () => {
  it.each([
    ['at once', (value: unknown) => value],
    ['later', (value: unknown) => Promise.resolve(value)],
  ])('leaves an answer that comes %s alone', async (_when, answer) => {
    expect(await run([errors(() => 'instead')], () => answer('well'))).toBe('well')
  })

  it('hands on what is there at once without a promise', () => {
    expect(run([errors(() => 'instead')], () => 'well')).toBe('well')
    expect(
      run([errors(({ code }) => code)], () => {
        throw new WsError('not_found')
      }),
    ).toBe('not_found')
  })

  it('answers in the place of an error, which it sees with its request', async () => {
    const request = requestOf({ key: 'k' })
    const thrown = new Error('secret')
    const reply = run(
      [errors((error, { key }) => [error.code, error.message, error.cause, key])],
      () => Promise.reject(thrown),
      request,
    )
    expect(await reply).toStrictEqual(['internal', 'internal error', thrown, 'k'])
  })

  it.each([
    ['the same', (error: WsError) => error],
    ['another', () => new WsError('not_found')],
  ])('may throw %s error again', async (_which, next) => {
    const middleware = errors((error) => {
      throw next(error)
    })
    const expected = next(new WsError('timeout')).code
    expect(await codeOf(() => run([middleware], () => Promise.reject(new WsError('timeout'))))).toBe(expected)
  })

  it('has the last word in a stream that breaks', async () => {
    const stream = new TestStream()
    stream.push(1)
    stream.break(new WsError('bad_reply'))
    expect(await itemsOf(run([errors(({ code }) => code)], () => stream))).toStrictEqual([1, 'bad_reply'])
    const silent = new TestStream()
    silent.break(new WsError('bad_reply'))
    expect(await itemsOf(run([errors(() => undefined)], () => Promise.resolve(silent)))).toStrictEqual([])
  })

  it('returns the stream behind it', async () => {
    const stream = new TestStream()
    stream.push(1)
    const guarded = run([errors(() => 'never')], () => stream) as AsyncIterableIterator<unknown>
    await guarded.next()
    await guarded.return?.()
    expect(stream.wasReturned).toBe(true)
  })

  it('refuses what is no function', () => {
    expect(() => errors(undefined as never)).toThrow('errors: give a function')
    expect(() => errors('x' as never)).toThrow('errors: onError: "x" is not a function')
  })
})
