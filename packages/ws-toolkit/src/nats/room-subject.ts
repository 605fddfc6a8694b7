// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { encodeToken, parseSubject, type Subject } from '@nats-edge/wire-parser'
import { WsError } from '../ws-error.ts'

const plainName = /^[A-Za-z0-9_-]{1,64}$/
const maxEncodedLength = 256

/** Checks what the subjects of rooms begin with; throws TypeError. */
export function checkedPrefix(prefix: string): string {
  if (typeof prefix === 'string' && parseSubject(prefix, { reserved: 'refuse', maxBytes: 256, maxTokens: 8 }))
    return prefix
  throw new TypeError(`natsRoomBus.prefix: ${JSON.stringify(prefix)} is no literal subject outside "$" and "_"`)
}

/**
 * The subject of a room, one token behind the prefix whatever the name holds: plain names as they are, others as `~` and
 * base64url, long ones as `~~` and their SHA-256. No two names share one.
 */
export function roomSubject(prefix: string, room: string): Subject {
  const subject = parseSubject(`${prefix}.${roomToken(room)}`)
  if (subject === undefined) throw new WsError('invalid_params', { message: 'the name of a room must not be empty' })
  return subject
}

function roomToken(room: string): string {
  if (plainName.test(room)) return room
  const encoded = encodeToken(room, 'base64url')
  if (encoded.length <= maxEncodedLength) return `~${encoded}`
  return `~~${createHash('sha256').update(encoded).digest('base64url')}`
}
