// SPDX-License-Identifier: Apache-2.0
import { encodeRequest } from './envelope/nats-proxy.ts'
import type { HeaderFilter } from './header-rules.ts'
import type { ProxyRequest } from './proxy-request.ts'
import { isTracestate, type TraceContext, traceparentOf } from './trace-context.ts'

/** The request as nats-proxy's Request message. `method` is GET where a HEAD fell back to it. */
export function natsProxyMessage(
  request: ProxyRequest,
  method: string,
  headers: readonly string[],
  body: Uint8Array,
): Uint8Array {
  const { target, remoteAddr } = request
  return encodeRequest({ url: target.url, method, remoteAddr, body, headers, webSocketId: '' })
}

/** The headers of nats-proxy's Request, as the reference sends them: name, value, name, value. */
export function natsProxyHeaders(
  rawHeaders: readonly string[],
  filter: HeaderFilter,
  trace: TraceContext | undefined,
): string[] {
  const flat = passedHeaders(rawHeaders, filter, trace)
  // Go's net/http: "Pragma: no-cache" alone means the same as Cache-Control, which is all that services look at.
  if (isOldNoCache(rawHeaders)) {
    const name = filter.target('Cache-Control')
    if (name !== undefined) flat.push(name, 'no-cache')
  }
  return flat
}

/** The request headers that pass the rules, the trace context continued or ended; values stay latin1. */
export function passedHeaders(
  rawHeaders: readonly string[],
  filter: HeaderFilter,
  trace: TraceContext | undefined,
): string[] {
  const flat: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at] ?? ''
    const name = filter.target(raw)
    if (name === undefined) continue
    const value = tracedValue(raw, rawHeaders[at + 1] ?? '', trace)
    if (value !== undefined) flat.push(name, value)
  }
  return flat
}

// Both trace headers have names of their own lengths, which spares every other header the comparison.
function tracedValue(raw: string, value: string, trace: TraceContext | undefined): string | undefined {
  if (raw.length === 11 && raw.toLowerCase() === 'traceparent') return trace && traceparentOf(trace)
  if (raw.length === 10 && raw.toLowerCase() === 'tracestate') {
    return trace !== undefined && isTracestate(value) ? value : undefined
  }
  return value
}

function isOldNoCache(rawHeaders: readonly string[]): boolean {
  let pragma: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 13 && name.toLowerCase() === 'cache-control') return false
    if (name.length === 6 && pragma === undefined && name.toLowerCase() === 'pragma') pragma = rawHeaders[at + 1]
  }
  return pragma === 'no-cache'
}
