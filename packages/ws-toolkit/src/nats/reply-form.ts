// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import type { BusMessage } from '@nats-edge/wire-parser'
import { replyForms, type ReplyForm } from '../backend/http-reply.ts'
import { ChannelConnection } from '../channel-connection.ts'
import type { Codec } from '../codec/codec.ts'
import { jsonOf, JsonText } from '../codec/json-text.ts'
import type { Connection } from '../connection.ts'
import { word } from '../option-check.ts'
import { WsError } from '../ws-error.ts'

/** What payloads are: `json` is one JSON value, `text` UTF-8, `binary` anything, `auto` text where it is UTF-8. */
export type NatsForm = ReplyForm

const maxReasonLength = 512
const empty = new Uint8Array(0)
const encoder = new TextEncoder()

/** Checks the option `as`; undefined stands for what the codec of the channel suggests. */
export function checkedForm(where: string, form: NatsForm | undefined): NatsForm | undefined {
  return form === undefined ? undefined : word(`${where}.as`, form, replyForms)
}

/** The words of the channel a connection belongs to; undefined where a dispatcher has its own. */
export function codecOf(connection: Connection): Codec | undefined {
  return connection instanceof ChannelConnection ? connection.runtime.codec : undefined
}

/** The form payloads have for a channel with this codec. */
export function formFor(codec: Codec | undefined, form: NatsForm | undefined): NatsForm {
  return form ?? (codec === undefined || codec.name === 'raw' ? 'auto' : 'json')
}

/** Turns a payload, which is only lent, into a value of its own for the codec; throws WsError `bad_reply`. */
export function payloadValue(payload: Uint8Array, form: NatsForm, codec: Codec | undefined): unknown {
  if (form === 'binary') return Buffer.from(payload)
  if (form === 'json') return jsonValue(payload, codec)
  if (isUtf8(payload)) return textOf(payload)
  if (form === 'auto') return Buffer.from(payload)
  throw new WsError('bad_reply', { message: 'the service answered with what is no text' })
}

/** Turns a reply into a value, or throws what a service of the NATS service framework refused the request with. */
export function replyValue(message: BusMessage, form: NatsForm, codec: Codec | undefined): unknown {
  const { headers } = message
  const code = headers?.get('Nats-Service-Error-Code')
  if (headers !== undefined && code !== undefined) {
    const reason = (headers.get('Nats-Service-Error') ?? '').slice(0, maxReasonLength)
    throw new WsError('bad_reply', {
      message: reason === '' ? `the service answered with error ${code.slice(0, 16)}` : reason,
      details: { status: Number(code) },
    })
  }
  return payloadValue(message.payload, form, codec)
}

/** Gives a value of a request as a payload: under `json` all as JSON, else texts and bytes as they are. */
export function valuePayload(value: unknown, form: NatsForm): Uint8Array {
  if (value === undefined) return empty
  if (form !== 'json') {
    if (typeof value === 'string') return encoder.encode(value)
    // A view of what was read from the socket: the client library may keep it until it writes.
    if (value instanceof Uint8Array) return new Uint8Array(value)
  }
  return encoder.encode(jsonOf(value))
}

// A service that has nothing to say still answers: for a client that waits, that is null.
function jsonValue(payload: Uint8Array, codec: Codec | undefined): unknown {
  const text = payload.length === 0 ? 'null' : textOf(payload)
  try {
    const value: unknown = JSON.parse(text)
    if (codec?.name === 'raw') return text
    // The codecs of this package put JSON into an answer as it is; others get the value.
    return codec?.name === 'json' || codec?.name === 'json-rpc' ? new JsonText(text) : value
  } catch (cause) {
    throw new WsError('bad_reply', { message: 'the service answered with what is no JSON', cause })
  }
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString()
}
