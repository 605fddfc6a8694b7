// SPDX-License-Identifier: Apache-2.0
import { decodeResponse } from './envelope/nats-proxy.ts'
import type { HeaderFilter } from './header-rules.ts'
import { ProxyError } from './proxy-error.ts'
import type { Reply } from './reply.ts'

/** Reads nats-proxy's Response; the reply owns its bytes. Throws `bad_reply` for what is none. */
export function natsProxyReply(payload: Uint8Array, filter: HeaderFilter): Reply {
  try {
    const { statusCode, headers, body, doUpgrade } = decodeResponse(payload)
    return {
      // Go's zero value: a service that sets no status means 200.
      status: statusCode === 0 ? 200 : statusCode,
      headers: filterReply(headers, filter),
      body: Buffer.from(body),
      upgrade: doUpgrade,
    }
  } catch (error) {
    throw new ProxyError('bad_reply', { cause: error })
  }
}

/** Applies the rules of a route to the headers of a reply: name, value, name, value. */
function filterReply(flat: readonly string[], filter: HeaderFilter): readonly string[] {
  const passed: string[] = []
  for (let at = 0; at < flat.length; at += 2) {
    const name = filter.target(flat[at] ?? '')
    if (name !== undefined) passed.push(name, flat[at + 1] ?? '')
  }
  return passed
}
