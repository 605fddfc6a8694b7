// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import { JsonText } from '../codec/json-text.ts'
import { WsError } from '../ws-error.ts'
import type { ResponseHeaders } from './http-dispatcher.ts'

/** A whole response. */
export interface HttpReply {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: Buffer
}

/**
 * What the client gets of a body. `auto` goes by the content type: text where it says so and the bytes are UTF-8, else
 * bytes; over `jsonCodec()` and `jsonRpc()` JSON is put into the answer as it is, and bytes are no answer. `json` takes
 * every body for JSON.
 */
export type ReplyForm = 'auto' | 'text' | 'binary' | 'json'

export const replyForms: readonly ReplyForm[] = ['auto', 'text', 'binary', 'json']

const jsonTypes = /^application\/(?:[\w.+-]+\+)?json$/
const textTypes =
  /^(?:text\/.*|application\/(?:(?:[\w.+-]+\+)?xml|javascript|ecmascript|x-www-form-urlencoded|graphql|yaml|toml))$/

/** Gives a header as one text. */
export function headerText(headers: ResponseHeaders, name: string): string {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : (value ?? '')
}

/** The media type without its parameters. */
export function mediaType(headers: ResponseHeaders): string {
  // The longest that is registered has 90 characters.
  const [type = ''] = headerText(headers, 'content-type').slice(0, 256).split(';', 1)
  return type.trim().toLowerCase()
}

/** Turns a body into a value for the codec; throws WsError `bad_reply` for what is not what it should be. */
export function replyValue(body: Buffer, form: ReplyForm, type: string, isJsonCodec: boolean): unknown {
  if (form === 'binary') return body
  if (form === 'json') return jsonText(body)
  if (form === 'text') return isUtf8(body) ? body.toString() : notA('text')
  const isJson = jsonTypes.test(type)
  if (isJson && isJsonCodec) return jsonText(body)
  if ((isJson || textTypes.test(type)) && isUtf8(body)) return body.toString()
  return isJsonCodec ? notA('text or JSON') : body
}

/** What a client is told of a response that is no answer. */
export function refusedReply(status: number, headers: ResponseHeaders): WsError {
  const retryAfterMs = retryAfterOf(headerText(headers, 'retry-after'))
  return new WsError('bad_reply', {
    message: `the service answered with status ${status}`,
    details: { status },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function notA(form: string, cause?: unknown): never {
  throw new WsError('bad_reply', { message: `the service answered with what is no ${form}`, cause })
}

function jsonText(body: Buffer): JsonText {
  const text = body.toString()
  try {
    // Only to prove it: the text is what is sent.
    JSON.parse(text)
  } catch (cause) {
    return notA('JSON', cause)
  }
  return new JsonText(text)
}

// Seconds, or a date (RFC 9110, 10.2.3).
function retryAfterOf(text: string): number | undefined {
  if (/^\d{1,7}$/.test(text)) return Number(text) * 1000
  const date = text === '' ? NaN : Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
