// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  EnvelopeError,
  type RequestFields,
  type ResponseFields,
} from './nats-proxy.ts'
import { type Fields, referenceDecode, referenceEncode, shippedSchema } from './protobuf-reference.test-support.ts'

const schema = shippedSchema()

const plainRequest = ({ url, method, remoteAddr, body, headers, webSocketId }: RequestFields): RequestFields => ({
  url,
  method,
  remoteAddr,
  body: Uint8Array.from(body),
  headers,
  webSocketId,
})

const byteText = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const headerList = fc
  .array(fc.tuple(fc.oneof(byteText(3), fc.constantFrom('A', 'B', 'Set-Cookie')), byteText(40)), { maxLength: 50 })
  .map((pairs) => pairs.flat())
const anyRequest: fc.Arbitrary<RequestFields> = fc.record({
  url: byteText(60),
  method: byteText(8),
  remoteAddr: byteText(20),
  body: fc.uint8Array({ maxLength: 300 }),
  headers: headerList,
  webSocketId: byteText(22),
})
const anyResponse: fc.Arbitrary<ResponseFields> = fc.record({
  statusCode: fc.integer(),
  headers: headerList,
  body: fc.uint8Array({ maxLength: 300 }),
  doUpgrade: fc.boolean(),
})

/** A map as the reference sees it, from a flat list. */
function mapEntries(flat: readonly string[]): Fields[] {
  const entries = new Map<string, string[]>()
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at] ?? ''
    entries.set(name, [...(entries.get(name) ?? []), flat[at + 1] ?? ''])
  }
  return Array.from(entries, ([key, arr]) => ({ key, value: { arr } }))
}

/** The flat list of the entries a reference has decoded: the last of equal keys counts. */
function flatEntries(entries: unknown): string[] {
  const last = new Map<string, string[]>()
  for (const { key = '', value } of (entries ?? []) as { key?: string; value?: { arr?: string[] } }[]) {
    last.delete(key)
    last.set(key, value?.arr ?? [])
  }
  return Array.from(last).flatMap(([name, values]) => values.flatMap((value) => [name, value]))
}

const bodyText = (body: Uint8Array): string => Buffer.from(body).toString('latin1')

function requestAsReference(fields: RequestFields): Fields {
  return {
    URL: fields.url,
    Method: fields.method,
    RemoteAddr: fields.remoteAddr,
    ...(fields.body.length > 0 ? { Body: bodyText(fields.body) } : {}),
    ...(fields.headers.length > 0 ? { Header: mapEntries(fields.headers) } : {}),
    WebSocketID: fields.webSocketId,
  }
}

/** Undefined if the bytes were refused in the way each side refuses. */
function attempt<Result>(decode: () => Result): Result | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof EnvelopeError || error instanceof RangeError) return undefined
    throw error
  }
}

describe('against a second implementation driven by nats-proxy.proto', () => {
  const numRuns = inject('propertyRuns')
  const timeout = 10_000 + numRuns * 2

  it('encodes Requests that the reference decodes to the same', { timeout }, () => {
    fc.assert(
      fc.property(anyRequest, (fields) => {
        const decoded = referenceDecode(schema, 'Request', [...encodeRequest(fields)])
        expect(decoded).toEqual(requestAsReference(fields))
      }),
      { numRuns },
    )
  })

  it('encodes Responses that the reference decodes to the same', { timeout }, () => {
    fc.assert(
      fc.property(anyResponse, (fields) => {
        const decoded = referenceDecode(schema, 'Response', [...encodeResponse(fields)])
        expect(decoded).toEqual({
          StatusCode: fields.statusCode,
          ...(fields.headers.length > 0 ? { Header: mapEntries(fields.headers) } : {}),
          ...(fields.body.length > 0 ? { Body: bodyText(fields.body) } : {}),
          DoUpgrade: fields.doUpgrade,
        })
      }),
      { numRuns },
    )
  })

  it('decodes what the reference encodes, its fields in any order', { timeout }, () => {
    const shuffled = anyRequest.chain((fields) => {
      const entries = Object.entries(requestAsReference(fields))
      return fc.tuple(fc.constant(fields), fc.shuffledSubarray(entries, { minLength: entries.length }))
    })
    fc.assert(
      fc.property(shuffled, ([fields, entries]) => {
        const decoded = decodeRequest(Uint8Array.from(referenceEncode(schema, 'Request', Object.fromEntries(entries))))
        const headers = flatEntries(mapEntries(fields.headers))
        expect(plainRequest(decoded)).toEqual({ ...fields, body: Uint8Array.from(fields.body), headers })
      }),
      { numRuns },
    )
  })

  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 })

  it('agrees with the reference on damaged Responses and throws nothing but EnvelopeError', { timeout }, () => {
    fc.assert(
      fc.property(anyResponse, damage, fc.nat(), (fields, changes, cut) => {
        const bytes = Uint8Array.from(encodeResponse(fields))
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        const damaged = bytes.subarray(0, Math.max(1, cut % (bytes.length * 2)))
        const [ours, theirs] = [
          attempt(() => decodeResponse(damaged)),
          attempt(() => referenceDecode(schema, 'Response', [...damaged])),
        ]
        if (ours === undefined || theirs === undefined) {
          expect(ours).toBe(theirs)
          return
        }
        expect({ ...ours, body: bodyText(ours.body) }).toEqual({
          statusCode: theirs['StatusCode'] ?? 0,
          headers: flatEntries(theirs['Header']),
          body: theirs['Body'] ?? '',
          doUpgrade: theirs['DoUpgrade'] ?? false,
        })
      }),
      { numRuns },
    )
  })

  it('agrees with the reference on damaged Requests and throws nothing but EnvelopeError', { timeout }, () => {
    fc.assert(
      fc.property(anyRequest, damage, fc.nat(), (fields, changes, cut) => {
        const bytes = Uint8Array.from(encodeRequest(fields))
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        const damaged = bytes.subarray(0, cut % (bytes.length * 2))
        const [ours, theirs] = [
          attempt(() => decodeRequest(damaged)),
          attempt(() => referenceDecode(schema, 'Request', [...damaged])),
        ]
        if (ours === undefined || theirs === undefined) {
          expect(ours).toBe(theirs)
          return
        }
        expect([
          ours.url,
          ours.method,
          ours.remoteAddr,
          bodyText(ours.body),
          ours.headers,
          ours.form,
          ours.webSocketId,
        ]).toEqual([
          theirs['URL'] ?? '',
          theirs['Method'] ?? '',
          theirs['RemoteAddr'] ?? '',
          theirs['Body'] ?? '',
          flatEntries(theirs['Header']),
          flatEntries(theirs['Form']),
          theirs['WebSocketID'] ?? '',
        ])
      }),
      { numRuns },
    )
  })
})
