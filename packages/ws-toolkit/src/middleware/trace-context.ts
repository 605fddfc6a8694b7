// SPDX-License-Identifier: Apache-2.0

/** What a span is known by outside (W3C Trace Context); OpenTelemetry's SpanContext. */
export interface SpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  readonly isRemote?: boolean
  readonly traceState?: TraceState
}

/** The vendors' part, of which only the text matters here. */
export interface TraceState {
  serialize(): string
  get(key: string): string | undefined
  set(key: string, value: string): TraceState
  unset(key: string): TraceState
}

// Version ff is forbidden; later versions may go on behind the flags (W3C Trace Context, 3.2.4).
const syntax = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const stateSyntax = /^[\x20-\x7e]{1,512}$/

/** Reads `traceparent`, and `tracestate` where there is one; undefined for what is malformed, as if it were not there. */
export function parseTraceparent(text: unknown, state?: string): SpanContext | undefined {
  const parts = typeof text === 'string' && text.length <= 512 ? syntax.exec(text) : null
  if (parts === null || (parts[1] === '00' && parts[5] !== undefined)) return undefined
  const [, , traceId = '', spanId = '', flags = ''] = parts
  const known = { traceId, spanId, traceFlags: Number(`0x${flags}`) & 1, isRemote: true }
  return state !== undefined && stateSyntax.test(state) ? { ...known, traceState: traceState(state) } : known
}

/** Writes `traceparent` for whoever is asked next. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`
}

/** Writes both headers. */
export function traceHeaders(context: SpanContext): Record<string, string> {
  const tracestate = context.traceState?.serialize() ?? ''
  return { traceparent: traceparentOf(context), ...(tracestate !== '' && { tracestate }) }
}

function traceState(text: string): TraceState {
  const state: TraceState = {
    serialize: () => text,
    get: (key: string) => {
      const entry = text.split(',').find((part) => part.trim().startsWith(`${key}=`))
      return entry?.trim().slice(key.length + 1)
    },
    // Samplers may write to it; what was received is passed on as it is.
    set: () => state,
    unset: () => state,
  }
  return state
}
