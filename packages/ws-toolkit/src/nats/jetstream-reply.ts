// SPDX-License-Identifier: Apache-2.0
import { WsError } from '../ws-error.ts'

/** Reads what JetStream has answered; throws WsError `bad_reply` with its words where that is an error. */
export function jetstreamReply(payload: Uint8Array): Readonly<Record<string, unknown>> {
  const answer = jsonObject(payload)
  const { error } = answer
  if (typeof error === 'object' && error !== null) throw refusedBy(error)
  return answer
}

function jsonObject(payload: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString())
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    // Something else than JetStream listens there.
  }
  throw new WsError('bad_reply', { message: 'no stream has answered' })
}

function refusedBy(error: object): WsError {
  const status: unknown = Reflect.get(error, 'code')
  const description: unknown = Reflect.get(error, 'description')
  return new WsError('bad_reply', {
    message: typeof description === 'string' ? description.slice(0, 512) : 'the stream has refused the message',
    details: { status, errCode: Reflect.get(error, 'err_code') },
  })
}
