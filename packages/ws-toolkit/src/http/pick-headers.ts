// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'

// These belong to the hop they came over, or to this server (RFC 9110, 7.6.1).
const ownHop =
  /^(?:host|connection|upgrade|keep-alive|te|trailer|transfer-encoding|content-.*|expect|proxy-.*|sec-websocket-.*|nats-.*)$/

/**
 * Takes the headers of an upgrade that a backend may see, for `onConnect` to keep in `connection.data`. Throws TypeError
 * for a name that belongs to the connection itself.
 */
export function pickHeaders(c: Context, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const header = name.toLowerCase()
    if (ownHop.test(header)) throw new TypeError(`pickHeaders: ${JSON.stringify(name)} is never passed on`)
    const value = c.req.header(header)
    if (value !== undefined) picked[header] = value
  }
  return picked
}
