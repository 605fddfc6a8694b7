// SPDX-License-Identifier: Apache-2.0
import type { Codec } from '../codec/codec.ts'
import { frameOf, isOutgoing, type SharedFrame } from '../frame.ts'
import { WsError } from '../ws-error.ts'

/** What becomes an event of a client. */
export interface ClientEvent {
  readonly event: string
  readonly value: unknown
  /** Under the overflow policy `coalesce` it replaces the one of this key that still waits. */
  readonly key?: string
}

/** Frames an event once, in the words of a codec; without words for events the value itself is the message. */
export function eventFrame(codec: Codec | undefined, { event, value, key }: ClientEvent): SharedFrame {
  const message = codec?.notice === undefined ? value : codec.notice(event, value)
  if (!isOutgoing(message)) throw new WsError('bad_reply', { message: 'a payload is no message of the channel' })
  return frameOf(message, codec?.binary, { key }).share()
}
