// SPDX-License-Identifier: Apache-2.0
import type { WsRequest } from '../request.ts'

/** Requests that share one limit: all, those of one connection, of one principal (else one address), or of one key. */
export type Scope<U = unknown> = 'global' | 'connection' | 'principal' | ((request: WsRequest<U>) => string)

/** Makes the function that tells the scope of a request; throws TypeError naming the option. */
export function scopeKey<U>(option: string, scope: Scope<U>): (request: WsRequest<U>) => string {
  if (typeof scope === 'function') return scope
  if (scope === 'global') return () => ''
  if (scope === 'connection') return ({ connection }) => connection.id
  if (scope === 'principal') return principalKey
  throw new TypeError(`${option}: ${JSON.stringify(scope)} is not global, connection, principal or a function`)
}

// Different first letters: an address is nobody's name.
function principalKey({ connection }: WsRequest): string {
  if (connection.principal !== undefined) return `p${connection.principal.id}`
  return connection.ip === '' ? `c${connection.id}` : `i${connection.ip}`
}
