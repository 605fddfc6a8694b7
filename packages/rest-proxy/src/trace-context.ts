// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto'

/** A W3C trace context as this hop passes it on: the caller's trace, with a span of its own. */
export interface TraceContext {
  readonly traceId: string
  /** The span of this hop, parent of whatever the service does. */
  readonly spanId: string
  /** The caller's span. */
  readonly parentSpanId: string
  readonly flags: string
}

const version00 = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const zeros = /^0+$/
const maxStateLength = 512
const maxStateMembers = 32
// https://www.w3.org/TR/trace-context/#tracestate-header, "list-member"
const stateMember = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

const pool = Buffer.alloc(2048)
let poolAt = pool.length

/** Continues the caller's trace with a new span; undefined where the header is not valid, which ends the trace here. */
export function continueTrace(traceparent: string): TraceContext | undefined {
  const match = version00.exec(traceparent)
  if (match === null) return undefined
  const [, version = '', traceId = '', parentSpanId = '', flags = '', more] = match
  // Version ff is forbidden; later versions may append fields, version 00 may not.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (zeros.test(traceId) || zeros.test(parentSpanId)) return undefined
  return { traceId, spanId: newSpanId(), parentSpanId, flags }
}

export function traceparentOf(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.flags}`
}

/** Whether a tracestate may be passed on; empty members between commas are allowed by the standard. */
export function isTracestate(text: string): boolean {
  if (text.length > maxStateLength) return false
  const members = text.split(',').map((member) => member.trim())
  const filled = members.filter((member) => member !== '')
  return filled.length > 0 && members.length <= maxStateMembers && filled.every((member) => stateMember.test(member))
}

function newSpanId(): string {
  if (poolAt + 8 > pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  const id = pool.toString('hex', poolAt, poolAt + 8)
  poolAt += 8
  return zeros.test(id) ? newSpanId() : id
}
