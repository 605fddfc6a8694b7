// SPDX-License-Identifier: Apache-2.0
import type { Outgoing } from '../frame.ts'
import { WsError } from '../ws-error.ts'
import type { Codec, Incoming, ReplyTo, RequestId } from './codec.ts'
import { clientError, isRequestId } from './json.ts'
import { jsonOf, parseJson, resolveJsonLimits, type JsonLimits } from './json-text.ts'

export interface JsonRpcOptions extends JsonLimits {
  /** Most requests of one batch. Default 50. */
  readonly maxBatch?: number
}

const cancelMethod = '$/cancelRequest'
const streamMethod = '$/stream'
const start = '{"jsonrpc":"2.0",'

/**
 * JSON-RPC 2.0 both ways, with batches. `$/cancelRequest { id }` aborts a request; several answers are `$/stream
 * { id, value }` notifications before the result.
 */
export function jsonRpc(options: JsonRpcOptions = {}): Codec {
  const limits = resolveJsonLimits(options)
  const maxBatch = options.maxBatch ?? 50
  if (!Number.isSafeInteger(maxBatch) || maxBatch < 1)
    throw new RangeError(`maxBatch: ${maxBatch} is not a positive whole number`)

  function decode(bytes: Buffer, binary: boolean): Incoming {
    if (binary) throw new WsError('unsupported_data', { message: 'send text messages' })
    const message = parseJson(bytes, limits)
    if (!Array.isArray(message)) return itemOf(message)
    if (message.length === 0) throw new WsError('invalid_request', { message: 'an empty batch' })
    if (message.length > maxBatch) {
      throw new WsError('invalid_request', { message: `a batch of more than ${maxBatch} requests` })
    }
    return { type: 'batch', items: message.map(itemOf) }
  }

  return Object.freeze({
    name: 'json-rpc',
    binary: false,
    answersErrors: true,
    decode,
    reply: ({ id }: ReplyTo, value: unknown) => (id === undefined ? undefined : result(id, value ?? null)),
    item: ({ id }: ReplyTo, value: unknown) =>
      id === undefined
        ? undefined
        : notification(streamMethod, `{"id":${JSON.stringify(id)},"value":${jsonOf(value)}}`),
    end: ({ id }: ReplyTo) => (id === undefined ? undefined : result(id, null)),
    error: (to: ReplyTo | undefined, error: WsError) =>
      // A notification is never answered (JSON-RPC 2.0, 4.1).
      to !== undefined && to.id === undefined ? undefined : failure(to?.id, error),
    batch: (answers: readonly Outgoing[]) => `[${answers.join(',')}]`,
    call: (id: RequestId, method: string, params: unknown) =>
      `${start}"id":${JSON.stringify(id)},"method":${JSON.stringify(method)}${paramsText(params)}}`,
    notice: (method: string, params: unknown) =>
      notification(method, params === undefined ? undefined : jsonOf(params)),
  })
}

function itemOf(item: unknown): Incoming {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return invalid(undefined, 'a request is a JSON object')
  }
  const { jsonrpc, id, method, params, error, result } = item as Readonly<Record<string, unknown>>
  const knownId = isRequestId(id) ? id : undefined
  if (jsonrpc !== '2.0') return invalid(knownId, '"jsonrpc" is not "2.0"')
  if (id !== undefined && knownId === undefined) return invalid(undefined, '"id" is neither a string nor a number')
  if (method === undefined && knownId !== undefined && (result !== undefined || error !== undefined)) {
    return { type: 'answer', id: knownId, result, error: error === undefined ? undefined : clientError(error) }
  }
  if (typeof method !== 'string') return invalid(knownId, '"method" is missing or not a string')
  if (params !== undefined && (typeof params !== 'object' || params === null)) {
    return invalid(knownId, '"params" is neither an object nor an array')
  }
  if (method === cancelMethod) return cancelOf(params)
  return { type: 'request', id: knownId, key: method, data: params }
}

function cancelOf(params: unknown): Incoming {
  const id: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, 'id') : undefined
  return isRequestId(id) ? { type: 'cancel', id } : { type: 'ignored' }
}

function invalid(id: RequestId | undefined, message: string): Incoming {
  return { type: 'invalid', id, error: new WsError('invalid_request', { message }) }
}

function result(id: RequestId, value: unknown): string {
  return `${start}"id":${JSON.stringify(id)},"result":${jsonOf(value)}}`
}

function failure(id: RequestId | undefined, { rpcCode, message, code, retryAfterMs, details }: WsError): string {
  const data = { code, ...(retryAfterMs !== undefined && { retryAfterMs }), ...(details !== undefined && { details }) }
  const error = JSON.stringify({ code: rpcCode, message, data })
  return `${start}"id":${id === undefined ? 'null' : JSON.stringify(id)},"error":${error}}`
}

function notification(method: string, params: string | undefined): string {
  return `${start}"method":${JSON.stringify(method)}${params === undefined ? '' : `,"params":${params}`}}`
}

function paramsText(params: unknown): string {
  return params === undefined ? '' : `,"params":${jsonOf(params)}`
}
