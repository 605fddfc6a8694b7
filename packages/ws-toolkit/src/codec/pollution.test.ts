// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { cache } from '../middleware/cache.ts'
import { rateLimit } from '../middleware/rate-limit.ts'
import { testGateway } from '../testing.ts'
import { wsGateway } from '../ws-gateway.ts'
import { jsonRpc } from './json-rpc.ts'
import { jsonCodec } from './json.ts'

const runs = inject('propertyRuns')

// JSON as text: no object literal can say what the wire can.
const key = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'prototype', '\\u005f_proto__', 'polluted', 'toString', 'then', 'toJSON'),
  fc.constantFrom('type', 'id', 'data', 'error', 'code', 'jsonrpc', 'method', 'params', 'result', 'message'),
)
const scalar = fc.constantFrom('"polluted"', '"__proto__"', '"echo"', '"2.0"', '"$/cancelRequest"', '1', 'true', 'null')
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('json'), { maxLength: 3 }).map((items) => `[${items.join()}]`),
    fc
      .array(fc.tuple(key, tie('json')), { maxLength: 4 })
      .map((pairs) => `{${pairs.map(([name, value]) => `"${name}":${value}`).join()}}`),
  ),
}))

function builtIns(): unknown {
  return [Object, Array, Function, Map, Promise, Error].map((type) => [
    type.name,
    Reflect.ownKeys(type),
    Reflect.ownKeys(type.prototype),
  ])
}

describe.each([
  ['jsonCodec', jsonCodec(), (body: string) => `{"type":"echo","id":7,"data":${body}}`],
  ['jsonRpc', jsonRpc(), (body: string) => `{"jsonrpc":"2.0","method":"echo","id":7,"params":{"v":${body}}}`],
])('%s', (_name, codec, requestWith) => {
  it('takes a message with a member "then" for the message it is', async () => {
    const gateway = wsGateway()
    gateway.channel('/', { codec }).route('echo', ({ data }) => Reflect.get(Object(data), 'v') ?? data)
    const rig = testGateway(gateway)
    onTestFinished(() => rig.close())
    const client = await rig.connect('/')
    client.send(requestWith('{"then":1}'))
    expect(JSON.stringify(await client.nextJson())).toContain('{"then":1}')
  })

  it(
    'reliability T16: takes no message that reaches a prototype, and goes on after it',
    async () => {
      const seen: unknown[] = []
      const gateway = wsGateway()
      gateway
        .channel('/:room', { codec, messagesPerSecond: Infinity, bytesPerSecond: Infinity })
        .use(rateLimit({ limit: 1e6, key: ({ data }) => JSON.stringify(data) ?? '' }))
        .route('echo', cache({ key: ({ data }) => JSON.stringify(data), ttlMs: 0 }), ({ data }) => {
          seen.push(data)
          // What careless code does with a message.
          return { ...(typeof data === 'object' ? data : { data }) }
        })
        .default(({ data }) => data)
      const rig = testGateway(gateway)
      onTestFinished(() => rig.close())
      const client = await rig.connect('/__proto__')
      const before = builtIns()
      await fc.assert(
        fc.asyncProperty(json, fc.boolean(), async (text, isParams) => {
          client.send(isParams ? requestWith(text) : text)
          // The answer to this one comes behind whatever the other was answered with.
          client.send(requestWith('"sync"').replace('7', '8'))
          for (;;) {
            const answer: unknown = await client.nextJson()
            if (typeof answer === 'object' && answer !== null && Reflect.get(answer, 'id') === 8) break
          }
          expect(builtIns()).toEqual(before)
          expect(Reflect.get({}, 'polluted')).toBeUndefined()
          for (const data of seen.splice(0)) expect(isPlain(data)).toBe(true)
        }),
        { numRuns: Math.ceil(runs / 2) },
      )
    },
    60_000 + runs * 20,
  )
})

/** Whether no object in it has another prototype, or a key that leads to one. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== (Array.isArray(value) ? Array.prototype : Object.prototype)) return false
  return Reflect.ownKeys(value).every(
    (name) => !['__proto__', 'constructor', 'prototype'].includes(String(name)) && isPlain(Reflect.get(value, name)),
  )
}
