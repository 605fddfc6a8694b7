// SPDX-License-Identifier: Apache-2.0
import { WsError } from '../ws-error.ts'

/** Makes a WsError of what a Bus threw or answered with: there, `closed` speaks of the broker, not of the client. */
export function busFault(thrown: unknown): WsError {
  const error = WsError.from(thrown)
  return error.code === 'closed' ? new WsError('disconnected', { cause: thrown }) : error
}

/** Throws where nothing can be sent at present, before anything is spent on it. */
export function checkConnected(state: 'connected' | 'disconnected' | 'closed'): void {
  if (state !== 'connected') throw new WsError('disconnected')
}
