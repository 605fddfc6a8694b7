// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { randomScript } from './conformance/client-script.test-support.ts'
import { Random } from './conformance/random.test-support.ts'
import { bytesOf, cut, record, textOf } from './conformance/recording.test-support.ts'
import { encodeOperation } from './encode.ts'
import type { Operation } from './operation.ts'
import { Parser } from './parser.ts'
import { parseOperations } from './parse-operations.ts'
import type { Side } from './verb-table.ts'

const numRuns = inject('propertyRuns')
// On a machine that does other things as well.
const timeoutMs = 20_000 + numRuns * 5

const token = fc
  .string({ minLength: 1, maxLength: 12, unit: 'binary' })
  .map((text) => text.replaceAll(/[\s\p{C}]/gu, '_'))
  .map((text) => Buffer.from(text).toString())
const block = fc.uint8Array({ maxLength: 40 })
const json = fc.jsonValue().map((value) => Uint8Array.from(Buffer.from(JSON.stringify(value))))

const body = { subject: token, payload: block }
const reply = { replyTo: token }

function messages(fields: object): fc.Arbitrary<Operation> {
  const plain = fc.record(
    { ...body, ...reply, ...fields },
    { requiredKeys: ['subject', 'payload', ...Object.keys(fields)] as never },
  )
  return plain as unknown as fc.Arbitrary<Operation>
}

const clientOperation: fc.Arbitrary<Operation> = fc.oneof(
  messages({ verb: fc.constant('PUB') }),
  messages({ verb: fc.constant('HPUB'), headers: block }),
  fc.record(
    { verb: fc.constant('SUB' as const), subject: token, queue: token, sid: token },
    { requiredKeys: ['verb', 'subject', 'sid'] },
  ),
  fc.record(
    { verb: fc.constant('UNSUB' as const), sid: token, max: fc.integer({ min: 1, max: 999_999_999 }) },
    { requiredKeys: ['verb', 'sid'] },
  ),
  fc.record({ verb: fc.constantFrom('CONNECT' as const, 'INFO' as const), json }),
  fc.record({ verb: fc.constantFrom('PING' as const, 'PONG' as const, '+OK' as const) }),
)

const serverOperation: fc.Arbitrary<Operation> = fc.oneof(
  messages({ verb: fc.constant('MSG'), sid: token }),
  messages({ verb: fc.constant('HMSG'), sid: token, headers: block }),
  fc.record({ verb: fc.constant('INFO' as const), json }),
  fc.record({ verb: fc.constant('-ERR' as const), text: token }),
  fc.record({ verb: fc.constantFrom('PING' as const, 'PONG' as const, '+OK' as const) }),
)

const cases = [
  ['client', clientOperation],
  ['server', serverOperation],
] as const

/** The obvious way: lines by their CR LF, words by their blanks, a new object for each. */
function parseNaively(text: string): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length;) {
    const lineEnd = text.indexOf('\r\n', at)
    const words = text.slice(at, lineEnd).split(' ')
    at = lineEnd + 2
    if (/^H?(?:PUB|MSG)$/.test(words[0] ?? '')) {
      const payloadEnd = at + Number(words.at(-1))
      found.push(JSON.stringify([...words, text.slice(at, payloadEnd)]))
      at = payloadEnd + 2
    } else found.push(JSON.stringify(words))
  }
  return found
}

function shown(operation: Operation): string {
  const text = textOf(encodeOperation(operation))
  return parseNaively(text).join()
}

/** fast-check makes objects without a prototype. */
function plain(operation: Operation): Operation {
  return { ...operation }
}

describe.each(cases)('operations of a %s', (side, operation) => {
  const script = fc.array(operation, { minLength: 1, maxLength: 8 })

  it('come back from their bytes as they were', { timeout: timeoutMs }, () => {
    fc.assert(
      fc.property(script, (operations) => {
        const bytes = Buffer.concat(operations.map(encodeOperation))
        expect(isDeepStrictEqual(parseOperations(bytes, side), operations.map(plain))).toBe(true)
      }),
      { numRuns },
    )
  })

  it('are what a naive parser finds', { timeout: timeoutMs }, () => {
    fc.assert(
      fc.property(script, (operations) => {
        const bytes = Buffer.concat(operations.map(encodeOperation))
        expect(parseOperations(bytes, side).map(shown)).toEqual(parseNaively(textOf(bytes)))
      }),
      { numRuns },
    )
  })

  it('are the same from any chunks', { timeout: timeoutMs }, () => {
    fc.assert(
      fc.property(
        script,
        fc.array(fc.nat(400), { maxLength: 12 }),
        fc.constantFrom(10, 65_536),
        (operations, edges, holdBytes) => {
          const bytes = Buffer.concat(operations.map(encodeOperation))
          const options = { side, limits: { holdBytes } }
          const offsets = edges.filter((edge) => edge <= bytes.length).sort((a, b) => a - b)
          expect(record(options, cut(bytes, offsets))).toMatchObject({ error: undefined, forwarded: textOf(bytes) })
        },
      ),
      { numRuns },
    )
  })
})

describe('any bytes', () => {
  const sides: Side[] = ['client', 'server']

  it('never make the parser throw, or differ with the chunks', { timeout: timeoutMs }, () => {
    const random = new Random(5)
    for (let run = 0; run < numRuns; run++) {
      const bytes = bytesOf(randomScript(random, 400))
      const offsets = Array.from({ length: random.below(20) }, () => random.below(bytes.length + 1)).sort(
        (a, b) => a - b,
      )
      for (const side of sides) {
        const whole = record({ side }, [bytes])
        const cutUp = record({ side }, cut(bytes, offsets))
        expect(JSON.stringify(cutUp) === JSON.stringify(whole), JSON.stringify(textOf(bytes))).toBe(true)
      }
    }
  })

  it('never make it hold more than a line or an operation that it may hold', { timeout: timeoutMs }, () => {
    const alphabet = bytesOf('PUBSIGNO+-ERKMCTHpub 019\r\n\t\u0000{"')
    fc.assert(
      fc.property(
        fc.constantFrom(...sides),
        fc.array(fc.array(fc.constantFrom(...alphabet), { maxLength: 60 }), { maxLength: 40 }),
        (side, chunks) => {
          const limits = {
            holdBytes: 200,
            maxControlLineBytes: 100,
            maxConnectBytes: 100,
            maxInfoBytes: 100,
            maxPayloadBytes: 300,
          }
          const parser = new Parser({ side, limits }, { operation() {}, error() {} })
          for (const chunk of chunks) {
            parser.push(Uint8Array.from(chunk))
            expect(parser.heldBytes).toBeLessThanOrEqual(200 + 300)
          }
        },
      ),
      { numRuns },
    )
  })
})
