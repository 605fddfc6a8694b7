// SPDX-License-Identifier: Apache-2.0
import { isOutgoing, type Outgoing } from '../frame.ts'
import { readUtf8 } from '../utf8.ts'
import type { Codec, Incoming, ReplyTo } from './codec.ts'

/**
 * Messages as they are: the key is `text` or `binary`, the data a string or bytes, and an answer keeps its type. An
 * error has no words here: it closes the connection, or nobody is told.
 */
export function rawCodec(): Codec {
  return raw
}

const raw: Codec = Object.freeze({
  name: 'raw',
  binary: undefined,
  answersErrors: false,
  decode(bytes: Buffer, binary: boolean): Incoming {
    return { type: 'request', id: undefined, key: binary ? 'binary' : 'text', data: binary ? bytes : readUtf8(bytes) }
  },
  reply: (_to: ReplyTo, value: unknown) => outgoing(value),
  item: (_to: ReplyTo, value: unknown) => outgoing(value),
  end: () => undefined,
  error: () => undefined,
})

function outgoing(value: unknown): Outgoing | undefined {
  if (value === undefined || isOutgoing(value)) return value
  throw new TypeError('rawCodec: a handler answers with a string, a Uint8Array or a shared frame')
}
