// SPDX-License-Identifier: Apache-2.0
import { WsError } from '../ws-error.ts'
import type { Codec, Incoming, ReplyTo, RequestId } from './codec.ts'
import { jsonOf, parseJson, resolveJsonLimits, type JsonLimits } from './json-text.ts'

export interface JsonCodecOptions extends JsonLimits {
  /** The member that holds the key. Default `type`. */
  readonly key?: string
  /** The member that holds the id. Default `id`. */
  readonly id?: string
  /** The member that holds the data; false: the whole message is the data. Default `data`. */
  readonly data?: string | false
}

/**
 * Plain envelopes: `{ type, id?, data }`, answered by `{ type, id?, data }` or `{ type, id?, error }`; several answers
 * are followed by `{ type, id?, done: true }`.
 */
export function jsonCodec(options: JsonCodecOptions = {}): Codec {
  const { key: keyName, id: idName, data: dataName } = names(options)
  const limits = resolveJsonLimits(options)
  const keyStart = `{${JSON.stringify(keyName)}:`
  const idStart = `${JSON.stringify(idName)}:`
  const noKey = new WsError('invalid_request', { message: `${JSON.stringify(keyName)} is missing or not a string` })
  const dataStart = `,${JSON.stringify(dataName === false ? 'data' : dataName)}:`

  function decode(bytes: Buffer, binary: boolean): Incoming {
    if (binary) throw new WsError('unsupported_data', { message: 'send text messages' })
    const envelope = parseJson(bytes, limits)
    if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
      throw new WsError('invalid_request', { message: 'the message is not a JSON object' })
    }
    const members = envelope as Readonly<Record<string, unknown>>
    const id = requestIdOf(members[idName], idName)
    const key = members[keyName]
    if (typeof key === 'string') {
      return { type: 'request', id, key, data: dataName === false ? envelope : members[dataName] }
    }
    if (id === undefined) throw noKey
    return key === undefined ? answerOf(id, members) : { type: 'invalid', id, error: noKey }
  }

  function answerOf(id: RequestId, members: Readonly<Record<string, unknown>>): Incoming {
    const { error } = members
    const result = members[dataName === false ? 'data' : dataName]
    return { type: 'answer', id, result, error: error === undefined ? undefined : clientError(error), otherwise: noKey }
  }

  function head(to: ReplyTo): string {
    // What has no key is told by its id.
    if (to.key === '' && to.id !== undefined) return `{${idStart}${JSON.stringify(to.id)}`
    const start = `${keyStart}${JSON.stringify(to.key)}`
    return to.id === undefined ? start : `${start},${idStart}${JSON.stringify(to.id)}`
  }

  const answer = (to: ReplyTo, value: unknown): string | undefined =>
    value === undefined ? undefined : `${head(to)}${dataStart}${jsonOf(value)}}`

  return Object.freeze({
    name: 'json',
    binary: false,
    answersErrors: true,
    decode,
    reply: answer,
    item: answer,
    end: (to: ReplyTo) => `${head(to)},"done":true}`,
    error: (to: ReplyTo | undefined, error: WsError) =>
      `${to === undefined ? '{' : `${head(to)},`}"error":${JSON.stringify(errorObject(error))}}`,
    call: (id: RequestId, method: string, params: unknown) =>
      `${head({ id, key: method })}${params === undefined ? '' : `${dataStart}${jsonOf(params)}`}}`,
    notice: (method: string, params: unknown) =>
      `${head({ id: undefined, key: method })}${params === undefined ? '' : `${dataStart}${jsonOf(params)}`}}`,
  })
}

/** What a client reads of an error. */
function errorObject({ code, message, retryAfterMs, details }: WsError): object {
  return {
    code,
    message,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(details !== undefined && { details }),
  }
}

/** Whether a value can be an id: JSON holds numbers that are Infinity here, and has no words for it. */
export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isFinite(value)
}

/** Reads an id; throws WsError `invalid_request` for what is neither a string nor a number. */
function requestIdOf(value: unknown, name: string): RequestId | undefined {
  if (value === undefined || isRequestId(value)) return value
  throw new WsError('invalid_request', { message: `${JSON.stringify(name)} is neither a string nor a number` })
}

/** Makes an error of what a client answered. */
export function clientError(error: unknown): WsError {
  const message: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'message') : undefined
  return new WsError('bad_reply', {
    message: typeof message === 'string' ? message.slice(0, 256) : 'the client answered with an error',
    details: error,
  })
}

function names(options: JsonCodecOptions): { key: string; id: string; data: string | false } {
  const { key = 'type', id = 'id', data = 'data' } = options
  const all = [key, id, data].filter((name) => name !== false)
  for (const name of all) {
    if (typeof name !== 'string' || name === '')
      throw new TypeError(`jsonCodec: ${JSON.stringify(name)} is not a member name`)
  }
  if (new Set([...all, 'error', 'done']).size !== all.length + 2) {
    throw new TypeError(`jsonCodec: ${all.join(', ')}, error and done must be different names`)
  }
  return { key, id, data }
}
