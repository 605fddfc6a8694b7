// SPDX-License-Identifier: Apache-2.0
import { encodeHeaderLines, HeaderWriter, type HeaderBlock, type Principal } from '@nats-edge/wire-parser'
import type { Connection } from '../connection.ts'
import { traceHeadersOf } from '../middleware/tracing.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'

/** What a request carries beside its payload, as `[name, value]`. */
export type HeaderEntries = readonly (readonly [name: string, value: string])[]

interface Introduced {
  readonly principal: Principal | undefined
  readonly lines: Uint8Array
}

// These are instructions to the server, ours, or credentials: whatever asks for them does not get them.
const stripped = /^(?:nats-.*|ws-.*|cookie|authorization|proxy-authorization|status|traceparent|tracestate)$/i

const introductions = new WeakMap<Connection, Introduced>()
let writer = new HeaderWriter()

/** Writes who asks, the trace, `given` without what may not be given, and `own`; throws WsError for what is no header. */
export function requestHeaders(
  request: WsRequest,
  given: Readonly<Record<string, string>> | undefined,
  own: HeaderEntries,
): HeaderBlock {
  const introduction = introduce(request.connection)
  try {
    writer.addEncoded(introduction)
    for (const [name, value] of Object.entries(traceHeadersOf(request))) writer.add(name, value)
    for (const [name, value] of Object.entries(given ?? {})) {
      if (!stripped.test(name)) writer.add(name, value)
    }
    for (const [name, value] of own) writer.add(name, value)
    return writer.block()
  } catch (cause) {
    // What was written so far must not begin the next block.
    writer = new HeaderWriter()
    throw new WsError('bad_request', { message: 'a value of the message does not fit into a header', cause })
  }
}

function introduce(connection: Connection): Uint8Array {
  const { principal } = connection
  const known = introductions.get(connection)
  if (known !== undefined && known.principal === principal) return known.lines
  const lines = introductionOf(connection)
  introductions.set(connection, { principal, lines })
  return lines
}

function introductionOf({ id, ip, principal }: Connection): Uint8Array {
  const entries: [string, string][] = [
    ['Ws-Connection', id],
    ['Ws-Ip', ip],
  ]
  if (principal !== undefined) entries.push(['Ws-User', principal.id])
  try {
    return encodeHeaderLines(entries)
  } catch (cause) {
    throw new WsError('forbidden', { message: 'the identity of the client does not fit into a header', cause })
  }
}
