// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { startChannel } from '../backend/service.test-support.ts'
import { jsonCodec } from '../codec/json.ts'
import { jsonRpc } from '../codec/json-rpc.ts'
import type { WsEvent } from '../event.ts'
import { codeOf, failureOf, itemsOf, requestOf, run, TestStream } from './request.test-support.ts'
import { validate, type SchemaIssue, type SchemaResult, type StandardSchema } from './validate.ts'

const secret = 'hunter2'

/** A schema as libraries make them. */
function schemaOf(check: (value: unknown) => SchemaResult<unknown> | Promise<SchemaResult<unknown>>): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate: check } }
}

function checkAmount(value: unknown): SchemaResult<unknown> {
  const amount: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'amount') : undefined
  if (typeof amount === 'number') return { value: { amount: amount * 100 } }
  return { issues: [{ message: 'is not a number', path: ['amount'] }] }
}

const cents = schemaOf(checkAmount)
const latelyCents = schemaOf(async (value) => checkAmount(value))
const thenableCents = schemaOf((value) => {
  const later = Promise.resolve(checkAmount(value))
  // oxlint-disable-next-line unicorn/no-thenable -- what other libraries of promises make
  return { then: later.then.bind(later) } as Promise<SchemaResult<unknown>>
})

function failingWith(...issues: SchemaIssue[]): StandardSchema {
  return schemaOf(() => ({ issues }))
}

const kinds = [
  ['at once', cents],
  ['later', latelyCents],
  ['by a thenable', thenableCents],
] as const

describe('validate of what comes (F18)', () => {
  it.each(kinds)('hands on what a schema gives %s, and leaves the request as it was', async (_when, input) => {
    const request = requestOf({ data: { amount: 2, more: secret } })
    expect(await run([validate({ input })], ({ data }) => data, request)).toStrictEqual({ amount: 200 })
    expect(request.data).toStrictEqual({ amount: 2, more: secret })
  })

  it.each(kinds)('refuses what a schema refuses %s, before anything is done', async (_when, input) => {
    let called = false
    const handler = (): void => void (called = true)
    const failure = await failureOf(() => run([validate({ input })], handler, requestOf({ data: { amount: secret } })))
    expect(failure).toMatchObject({
      code: 'invalid_params',
      details: { issues: [{ path: ['amount'], message: 'is not a number' }] },
    })
    expect(JSON.stringify([failure.message, failure.details])).not.toContain(secret)
    expect(called).toBe(false)
  })

  it('tells where, whatever a path is made of', async () => {
    const input = failingWith(
      { message: 'keys', path: ['a', 0, 'b'] },
      { message: 'segments', path: [{ key: 'a' }, { key: 7 }] },
      { message: 'symbols', path: [Symbol('s')] },
      { message: 'empty', path: [] },
      { message: 'none' },
    )
    const { details } = await failureOf(() => run([validate({ input })], () => 1))
    expect(details).toStrictEqual({
      issues: [
        { path: ['a', 0, 'b'], message: 'keys' },
        { path: ['a', 7], message: 'segments' },
        { path: ['Symbol(s)'], message: 'symbols' },
        { path: [], message: 'empty' },
        { path: [], message: 'none' },
      ],
    })
  })

  it('tells of twenty faults and no more, however many a client makes', async () => {
    const input = failingWith(...Array.from({ length: 5000 }, (_, index) => ({ message: `${index}`, path: [index] })))
    const { details } = await failureOf(() => run([validate({ input })], () => 1))
    expect((details as { issues: unknown[] }).issues).toStrictEqual(
      Array.from({ length: 20 }, (_, index) => ({ path: [index], message: `${index}` })),
    )
  })

  it('takes a schema that throws, or rejects, for a fault of ours', async () => {
    const error = new Error('broken schema')
    const throwing = schemaOf(() => {
      throw error
    })
    expect(await codeOf(() => run([validate({ input: throwing })], () => 1))).toBe('Error: broken schema')
    const rejecting = schemaOf(() => Promise.reject(error))
    expect(await codeOf(() => run([validate({ input: rejecting })], () => 1))).toBe('Error: broken schema')
  })

  it('needs no promise where nothing does', () => {
    const both = validate({ input: cents, output: cents })
    expect(run([both], ({ data }) => data, requestOf({ data: { amount: 2 } }))).toStrictEqual({ amount: 20_000 })
  })
})

describe('validate of what is answered (F18)', () => {
  const wrong = { amount: secret }

  it.each(kinds)('sends what a schema gives %s, of handlers that answer at once or later', async (_when, output) => {
    const middleware = validate({ output })
    for (const answer of [{ amount: 1 }, Promise.resolve({ amount: 1 })]) {
      expect(await run([middleware], () => answer)).toStrictEqual({ amount: 100 })
    }
  })

  it.each(kinds)('takes what a schema refuses %s for a fault of ours, whose words stay here', async (_when, output) => {
    const failure = await failureOf(() => run([validate({ output })], () => wrong))
    expect(failure).toMatchObject({ code: 'internal', message: 'internal error', details: undefined })
    expect(failure.cause).toStrictEqual(
      new TypeError('validate: the answer does not fit its schema: amount: is not a number'),
    )
  })

  it('leaves no answer alone, and errors of the handler', async () => {
    const middleware = validate({ output: cents })
    expect(run([middleware], () => undefined)).toBeUndefined()
    expect(await run([middleware], () => Promise.resolve())).toBeUndefined()
    expect(await codeOf(() => run([middleware], () => Promise.reject(new Error('mine'))))).toBe('Error: mine')
  })

  it('checks each value of a stream, and returns it at the first that does not fit', async () => {
    const stream = new TestStream()
    for (const amount of [1, 2]) stream.push({ amount })
    stream.end()
    expect(await itemsOf(run([validate({ output: cents })], () => stream))).toStrictEqual([
      { amount: 100 },
      { amount: 200 },
    ])
    const bad = new TestStream()
    for (const item of [{ amount: 1 }, wrong, { amount: 3 }]) bad.push(item)
    const seen: unknown[] = []
    const read = async (): Promise<void> => {
      for await (const item of run([validate({ output: latelyCents })], () => bad) as AsyncIterable<unknown>) {
        seen.push(item)
      }
    }
    expect(await codeOf(read)).toBe('internal')
    expect(seen).toStrictEqual([{ amount: 100 }])
    expect(bad.wasReturned).toBe(true)
  })

  it('checks what goes beside the answer, with a schema that answers at once', async () => {
    const request = requestOf()
    const reply = run(
      [validate({ output: cents })],
      (given) => {
        expect(given.reply({ amount: 1 }, { binary: true })).toBe(true)
        expect(() => given.reply(wrong)).toThrow('internal error')
        return { amount: 2 }
      },
      request,
    )
    expect(reply).toStrictEqual({ amount: 200 })
    expect(request.replies).toStrictEqual([{ value: { amount: 100 }, options: { binary: true } }])
    const late = codeOf(() => run([validate({ output: latelyCents })], (given) => given.reply({ amount: 1 })))
    expect(await late).toBe('TypeError: validate: request.reply() needs a schema that answers at once')
  })
})

describe('validate at a gateway (F18)', () => {
  const words = [
    ['jsonCodec()', jsonCodec(), (data: object) => ({ type: 'pay', id: 1, data })],
    ['jsonRpc()', jsonRpc(), (params: object) => ({ jsonrpc: '2.0', id: 1, method: 'pay', params })],
  ] as const

  it.each(words)(
    'tells a client that speaks %s what is wrong, and nothing of its values',
    async (_name, codec, ask) => {
      const { connect } = await startChannel([validate({ input: cents }), ({ data }) => data], { codec })
      const { ws, next } = await connect()
      ws.send(JSON.stringify(ask({ amount: secret })))
      const text = await next()
      const { error } = JSON.parse(text) as { error: { code: unknown; data?: object; details?: object } }
      const told = { code: error.code, ...(error.data ?? error) }
      expect(told).toMatchObject({
        code: 'invalid_params',
        details: { issues: [{ path: ['amount'], message: 'is not a number' }] },
      })
      expect(text).not.toContain(secret)
      ws.send(JSON.stringify(ask({ amount: 5 })))
      expect(await next()).toContain('{"amount":500}')
    },
  )

  it.each(words)(
    'tells it nothing of an answer that does not fit, over %s, and observe why',
    async (_name, codec, ask) => {
      const { connect, events } = await startChannel([validate({ output: cents }), () => ({ amount: secret })], {
        codec,
      })
      const { ws, next } = await connect()
      ws.send(JSON.stringify(ask({})))
      const text = await next()
      expect(text).toContain('internal error')
      expect(text).not.toMatch(/hunter2|amount|schema/)
      const failed = events.find((event): event is Extract<WsEvent, { type: 'handler.failed' }> => {
        return event.type === 'handler.failed'
      })
      expect(failed).toMatchObject({
        handler: 'handler',
        error: { cause: { message: expect.stringContaining('amount') } },
      })
    },
  )
})

describe('validate without a schema', () => {
  it.each([
    [{}, 'validate: give input, output or both'],
    [{ input: {} }, 'validate: input is no Standard Schema'],
    [{ input: cents, output: { '~standard': {} } }, 'validate: output is no Standard Schema'],
  ])('is refused: %j', (options, message) => {
    expect(() => validate(options as never)).toThrow(new TypeError(message))
  })
})
