// SPDX-License-Identifier: Apache-2.0
import type { MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { Middleware, Next, Reply } from '../chain.ts'
import { checkKeys, hook } from '../option-check.ts'
import type { RequestChange, WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { follow } from './outcome.ts'
import { RequestView } from './request-view.ts'
import { parseTraceparent, traceHeaders, traceparentOf, type SpanContext } from './trace-context.ts'
import { errorStatus, serverKind, traceParent, type AttributeValue, type Span, type Tracer } from './tracer.ts'

export interface TracingOptions<U = unknown> {
  /** As `trace.getTracer()` of @opentelemetry/api gives it. */
  readonly tracer: Tracer
  /** Name of a request's span. Default: path of the channel and route, both as they were registered. */
  readonly name?: string | ((request: WsRequest<U>) => string)
  /** Attributes beside `ws.channel`, `ws.route` and `ws.connection.id`. */
  readonly attributes?: (request: WsRequest<U>) => Record<string, AttributeValue>
  /** Which requests get a span. Default: all; the tracer's own sampler decides which are exported. */
  readonly sample?: (request: WsRequest<U>) => boolean
  /** Member of the message that holds a `traceparent`. Default `traceparent`. */
  readonly field?: string
}

export interface Tracing<U = unknown> extends Middleware<U> {
  /** For `channel.http()`: a span for each upgrade, to which the spans of its requests are linked. */
  readonly upgrade: MiddlewareHandler
}

/**
 * Makes a span of every request: a child of the `traceparent` its message holds, else the root of a trace, and linked to
 * the span of the upgrade. Backends pass its own `traceparent` on.
 */
export function tracing<U>(options: TracingOptions<U>): Tracing<U> {
  checkKeys('tracing', options, ['tracer', 'name', 'attributes', 'sample', 'field'])
  const { tracer, name, field = 'traceparent' } = options
  if (typeof tracer?.startSpan !== 'function') {
    throw new TypeError("tracing.tracer: is no tracer; pass trace.getTracer('my-app') of @opentelemetry/api")
  }
  const nameOf = typeof name === 'string' ? () => name : (hook('tracing.name', name) ?? routeName)
  const sample = hook('tracing.sample', options.sample)
  const attributes = hook('tracing.attributes', options.attributes)

  function start(request: WsRequest<U>, parent: SpanContext | undefined): Span {
    const { connection, route } = request
    const upgrade = parseTraceparent(connection.traceparent)
    const known = { 'ws.channel': connection.path, 'ws.route': route, 'ws.connection.id': connection.id }
    return tracer.startSpan(
      nameOf(request),
      {
        kind: serverKind,
        attributes: { ...known, ...attributes?.(request) },
        ...(upgrade !== undefined && { links: [{ context: upgrade }] }),
      },
      traceParent(parent),
    )
  }

  const middleware = (request: WsRequest<U>, next: Next<U>): Reply => {
    const parent = parseTraceparent(memberOf(request.data, field))
    if (sample !== undefined && !sample(request)) {
      return parent === undefined ? next() : next(new TracedRequest(request, parent))
    }
    const span = start(request, parent)
    return follow(
      () => next(new TracedRequest(request, span.spanContext())),
      (failure) => finish(span, failure),
    )
  }
  return Object.assign(middleware, { upgrade: upgradeSpans(tracer) })
}

/** Gives the trace headers for whoever is asked on behalf of a request; empty without `tracing()`. */
export function traceHeadersOf(request: WsRequest): Record<string, string> {
  let view = request
  while (view instanceof RequestView) {
    if (view instanceof TracedRequest) return traceHeaders(view.span)
    view = view.inner
  }
  return {}
}

function upgradeSpans(tracer: Tracer): MiddlewareHandler {
  return async (c, next) => {
    const parent = parseTraceparent(c.req.header('traceparent'), c.req.header('tracestate'))
    const route: string = c.get('routeLabel') ?? routePath(c)
    const attributes = { 'http.request.method': c.req.method, 'http.route': route }
    const span = tracer.startSpan(`upgrade ${route}`, { kind: serverKind, attributes }, traceParent(parent))
    c.set('traceparent', traceparentOf(span.spanContext()))
    try {
      await next()
      // Hono keeps what a route has thrown.
      if (c.error !== undefined) span.recordException(c.error)
      // A route that lets the upgrade happen answers 200; the host makes 101 of it.
      const status = c.res.status === 200 ? 101 : c.res.status
      span.setAttribute('http.response.status_code', status)
      if (status >= 500) span.setStatus({ code: errorStatus })
    } catch (error) {
      const failure = WsError.from(error)
      span.recordException(failure.cause instanceof Error ? failure.cause : failure)
      span.setStatus({ code: errorStatus })
      throw error
    } finally {
      span.end()
    }
  }
}

function finish(span: Span, failure: WsError | undefined): void {
  if (failure !== undefined) {
    const { cause, code, message } = failure
    span.setAttribute('error.type', code)
    span.recordException(cause instanceof Error ? cause : failure)
    span.setStatus({ code: errorStatus, message })
  }
  span.end()
}

class TracedRequest<U> extends RequestView<U> {
  readonly span: SpanContext

  constructor(inner: WsRequest<U>, span: SpanContext) {
    super(inner)
    this.span = span
  }

  override with(change: RequestChange): WsRequest<U> {
    return new TracedRequest(this.inner.with(change), this.span)
  }
}

function routeName({ connection, route }: WsRequest): string {
  return `${connection.path} ${route}`
}

function memberOf(data: unknown, field: string): unknown {
  return typeof data === 'object' && data !== null && Object.hasOwn(data, field) ? Reflect.get(data, field) : undefined
}
