// SPDX-License-Identifier: Apache-2.0
import type { SpanContext } from './trace-context.ts'

/** The parts of OpenTelemetry's tracer that are used: pass `trace.getTracer('my-app')`. */
export interface Tracer {
  startSpan(name: string, options?: SpanOptions, context?: TraceParent): Span
}

export interface Span {
  spanContext(): SpanContext
  setAttribute(key: string, value: AttributeValue): unknown
  setStatus(status: { code: number; message?: string }): unknown
  recordException(exception: Error): void
  end(): void
}

export type AttributeValue = string | number | boolean

export interface SpanOptions {
  kind?: number
  attributes?: Record<string, AttributeValue>
  links?: { context: SpanContext }[]
}

/** OpenTelemetry's Context, with a parent in it or nothing. */
export interface TraceParent {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): TraceParent
  deleteValue(key: symbol): TraceParent
}

/** `SpanKind.SERVER`. */
export const serverKind = 1
/** `SpanStatusCode.ERROR`. */
export const errorStatus = 2

// `createContextKey()` of @opentelemetry/api 1.x is Symbol.for(), so that several copies of it agree.
const spanKey = Symbol.for('OpenTelemetry Context Key SPAN')

/** Gives the context a span starts in: never the one that is active by chance, so that requests do not nest. */
export function traceParent(parent: SpanContext | undefined): TraceParent {
  const values = new Map<symbol, unknown>()
  if (parent !== undefined) values.set(spanKey, { spanContext: () => parent })
  return contextOf(values)
}

function contextOf(values: ReadonlyMap<symbol, unknown>): TraceParent {
  return {
    getValue: (key) => values.get(key),
    setValue: (key, value) => contextOf(new Map(values).set(key, value)),
    deleteValue: (key) => contextOf(new Map([...values].filter(([name]) => name !== key))),
  }
}
