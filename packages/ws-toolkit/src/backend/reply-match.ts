// SPDX-License-Identifier: Apache-2.0
import { jsonOf } from '../codec/json-text.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'

/** A message of the service, as it came. */
export interface UpstreamMessage {
  readonly bytes: Buffer
  readonly binary: boolean
}

/** The answer to a request, one of several, or an error. */
export type MatchedReply =
  | { readonly type: 'result'; readonly id: string; readonly value: unknown }
  | { readonly type: 'item'; readonly id: string; readonly value: unknown }
  | { readonly type: 'error'; readonly id: string; readonly error: WsError }

/** Tells which answer belongs to which request, so that one connection to a service can carry those of many clients. */
export interface ReplyMatch<U = unknown> {
  /** Whether the service answers a request at all. */
  isAnswered(request: WsRequest<U>): boolean
  /** The request as the service reads it, under an id of ours; undefined where it is not answered. */
  write(request: WsRequest<U>, id: string | undefined): string | Uint8Array
  /** What a message answers; undefined: it is no answer. A throw counts as no answer. */
  read(message: UpstreamMessage): MatchedReply | undefined
  /** Tells the service that nobody waits any more. */
  cancel?(id: string): string | Uint8Array
}

/** For services that speak JSON-RPC 2.0: key and data of a request are method and params. */
export function jsonRpcMatch(): ReplyMatch {
  return Object.freeze({
    isAnswered: ({ id }: WsRequest) => id !== undefined,
    write: ({ key, data }: WsRequest, id: string | undefined) => {
      const head = id === undefined ? '' : `"id":${JSON.stringify(id)},`
      const params = data === undefined ? '' : `,"params":${jsonOf(data)}`
      return `{"jsonrpc":"2.0",${head}"method":${JSON.stringify(key)}${params}}`
    },
    read: readJsonRpc,
    cancel: (id: string) => `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":${JSON.stringify(id)}}}`,
  })
}

function readJsonRpc({ bytes, binary }: UpstreamMessage): MatchedReply | undefined {
  if (binary) return undefined
  const message: unknown = JSON.parse(bytes.toString())
  if (typeof message !== 'object' || message === null) return undefined
  const { id, result, error, method, params } = message as Readonly<Record<string, unknown>>
  if (method === '$/stream') return itemOf(params)
  if (method !== undefined || typeof id !== 'string') return undefined
  if (error === undefined || error === null) return { type: 'result', id, value: result ?? null }
  return { type: 'error', id, error: serviceError(error) }
}

function itemOf(params: unknown): MatchedReply | undefined {
  if (typeof params !== 'object' || params === null) return undefined
  const { id, value } = params as Readonly<Record<string, unknown>>
  return typeof id === 'string' ? { type: 'item', id, value } : undefined
}

// The service's own words are for the client, as its result would be.
function serviceError(error: unknown): WsError {
  const { code, message, data } = (typeof error === 'object' && error !== null ? error : {}) as Readonly<
    Record<string, unknown>
  >
  return new WsError('bad_reply', {
    message: typeof message === 'string' ? message : 'the service answered with an error',
    details: { code, ...(data !== undefined && { data }) },
  })
}
