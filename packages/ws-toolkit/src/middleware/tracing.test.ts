// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { WsError } from '../ws-error.ts'
import { codeOf, itemsOf, requestOf, run, TestStream } from './request.test-support.ts'
import { timeout } from './timeout.ts'
import { parseTraceparent, traceHeaders, traceparentOf, type SpanContext } from './trace-context.ts'
import type { Span, SpanOptions, TraceParent, Tracer } from './tracer.ts'
import { traceHeadersOf, tracing } from './tracing.ts'

const inbound = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const spanKey = Symbol.for('OpenTelemetry Context Key SPAN')

class TestSpan implements Span {
  readonly name: string
  readonly options: SpanOptions
  readonly parent: SpanContext | undefined
  readonly attributes: Record<string, unknown>
  readonly exceptions: string[] = []
  status: { code: number; message?: string } | undefined
  ends = 0
  readonly #context: SpanContext

  constructor(name: string, options: SpanOptions, parent: SpanContext | undefined, number: number) {
    this.name = name
    this.options = options
    this.parent = parent
    this.attributes = { ...options.attributes }
    const traceId = parent?.traceId ?? String(number).padStart(32, 'a')
    this.#context = {
      traceId,
      spanId: String(number).padStart(16, 'b'),
      traceFlags: 1,
      ...(parent?.traceState && { traceState: parent.traceState }),
    }
  }

  spanContext(): SpanContext {
    return this.#context
  }

  setAttribute(key: string, value: unknown): void {
    this.attributes[key] = value
  }

  setStatus(status: { code: number; message?: string }): void {
    this.status = status
  }

  recordException({ message }: Error): void {
    this.exceptions.push(message)
  }

  end(): void {
    this.ends += 1
  }
}

function testTracer(): Tracer & { readonly spans: TestSpan[] } {
  const spans: TestSpan[] = []
  return {
    spans,
    startSpan: (name, options = {}, context?: TraceParent) => {
      // As an SDK reads the parent out of a Context.
      const parent = context?.getValue(spanKey) as { spanContext(): SpanContext } | undefined
      const span = new TestSpan(name, options, parent?.spanContext(), spans.length + 1)
      spans.push(span)
      return span
    },
  }
}

describe('tracing', () => {
  it('makes a span of each request, by the names that were registered', () => {
    const tracer = testTracer()
    const request = requestOf({ route: 'order.*', key: 'order.77', connection: { id: 'c9', path: '/shop/:room' } })
    expect(run([tracing({ tracer })], () => 'well', request)).toBe('well')
    expect(tracer.spans).toMatchObject([
      {
        name: '/shop/:room order.*',
        options: { kind: 1 },
        parent: undefined,
        attributes: { 'ws.channel': '/shop/:room', 'ws.route': 'order.*', 'ws.connection.id': 'c9' },
        status: undefined,
        ends: 1,
      },
    ])
  })

  it('takes name and attributes', () => {
    const tracer = testTracer()
    void run([tracing({ tracer, name: 'fixed', attributes: ({ key }) => ({ key, 'ws.route': 'mine' }) })], () => 1)
    void run([tracing({ tracer, name: ({ key }) => `of ${key}` })], () => 1, requestOf({ key: 'k' }))
    expect(tracer.spans.map(({ name }) => name)).toStrictEqual(['fixed', 'of k'])
    expect(tracer.spans[0]?.attributes).toMatchObject({ key: 'key', 'ws.route': 'mine' })
  })

  it('records errors, with what lies behind them (D26)', async () => {
    const tracer = testTracer()
    const failing = [new WsError('no_responders'), new Error('secret cause')]
    for (const error of failing) await codeOf(() => run([tracing({ tracer })], () => Promise.reject(error)))
    expect(tracer.spans).toMatchObject([
      {
        attributes: { 'error.type': 'no_responders' },
        exceptions: ['nobody answers this request'],
        status: { code: 2, message: 'nobody answers this request' },
        ends: 1,
      },
      {
        attributes: { 'error.type': 'internal' },
        exceptions: ['secret cause'],
        status: { code: 2, message: 'internal error' },
        ends: 1,
      },
    ])
  })

  it('ends the span of a stream with the stream', async () => {
    const tracer = testTracer()
    const stream = new TestStream()
    const reply = run([tracing({ tracer })], () => stream)
    expect(tracer.spans[0]?.ends).toBe(0)
    stream.break(new WsError('bad_reply'))
    expect(await codeOf(() => itemsOf(reply))).toBe('bad_reply')
    expect(tracer.spans).toMatchObject([{ attributes: { 'error.type': 'bad_reply' }, ends: 1 }])
  })

  it('throws where there is no tracer (D26, F22)', () => {
    for (const tracer of [undefined, null, {}]) {
      expect(() => tracing({ tracer: tracer as never })).toThrow('tracing.tracer: is no tracer; pass trace.getTracer')
    }
    expect(() => tracing({ tracer: testTracer(), sample: 1 as never })).toThrow('tracing.sample: 1 is not a function')
    expect(() => tracing({ tracer: testTracer(), names: 1 } as never)).toThrow('there is no option "names"')
  })

  it('is a child of the traceparent in the message, and linked to the upgrade (F22)', () => {
    const tracer = testTracer()
    const traceparent = '00-11111111111111111111111111111111-2222222222222222-01'
    void run([tracing({ tracer })], () => 1, requestOf({ data: { traceparent: inbound }, connection: { traceparent } }))
    expect(tracer.spans[0]).toMatchObject({
      parent: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', isRemote: true },
      options: { links: [{ context: { traceId: '1'.repeat(32), spanId: '2'.repeat(16) } }] },
    })
  })

  it('reads the member it is told to, and no inherited one', () => {
    const tracer = testTracer()
    void run([tracing({ tracer, field: 'trace' })], () => 1, requestOf({ data: { trace: inbound } }))
    void run([tracing({ tracer, field: 'trace' })], () => 1, requestOf({ data: Object.create({ trace: inbound }) }))
    void run([tracing({ tracer })], () => 1, requestOf({ data: { traceparent: 'nonsense' } }))
    expect(tracer.spans.map(({ parent }) => parent?.spanId)).toStrictEqual(['b7ad6b7169203331', undefined, undefined])
  })

  it('gives backends the headers of its span, through whatever is between (D26)', () => {
    const tracer = testTracer()
    let headers: unknown
    const reply = run(
      [tracing({ tracer }), timeout(50), (request, next) => next(request.with({ data: 'changed' }))],
      (request) => {
        headers = traceHeadersOf(request)
        return request.data
      },
      requestOf({ data: { traceparent: inbound } }),
    )
    expect(reply).toBe('changed')
    expect(headers).toStrictEqual({ traceparent: `00-0af7651916cd43dd8448eb211c80319c-${'1'.padStart(16, 'b')}-01` })
    expect(traceHeadersOf(requestOf())).toStrictEqual({})
  })

  it('makes no span of what is not sampled, and passes its traceparent on (F22)', () => {
    const tracer = testTracer()
    const middleware = tracing({ tracer, sample: ({ key }) => key === 'yes' })
    const headersFor = (key: string, data?: unknown): unknown =>
      run([middleware], (request) => traceHeadersOf(request), requestOf({ key, data }))
    expect(headersFor('no')).toStrictEqual({})
    expect(headersFor('no', { traceparent: inbound })).toStrictEqual({ traceparent: inbound })
    expect(tracer.spans).toHaveLength(0)
    headersFor('yes')
    expect(tracer.spans).toHaveLength(1)
  })
})

describe('tracing of upgrades', () => {
  function appWith(tracer: Tracer, status: number): Hono {
    const app = new Hono()
    app.get('/ws/:room', tracing({ tracer }).upgrade, (c) =>
      c.text(String(c.get('traceparent' as never)), status as 200),
    )
    app.onError((_error, c) => c.text('internal', 500))
    app.get('/fails', tracing({ tracer }).upgrade, () => {
      throw new Error('broken')
    })
    return app
  }

  it('makes a span of each, a child of the header, and says what its requests are linked to (F22)', async () => {
    const tracer = testTracer()
    const headers = { traceparent: inbound, tracestate: 'vendor=1,other=2' }
    const response = await appWith(tracer, 200).request('/ws/lobby', { headers })
    const [span] = tracer.spans
    expect(await response.text()).toBe(traceparentOf(span?.spanContext() ?? { traceId: '', spanId: '', traceFlags: 0 }))
    expect(span).toMatchObject({
      name: 'upgrade /ws/:room',
      parent: { spanId: 'b7ad6b7169203331' },
      attributes: { 'http.route': '/ws/:room', 'http.response.status_code': 101 },
      status: undefined,
      ends: 1,
    })
    expect(span?.parent?.traceState?.get('other')).toBe('2')
  })

  it.each([
    [401, undefined],
    [503, { code: 2 }],
  ])('records a refusal with %i', async (status, expected) => {
    const tracer = testTracer()
    await appWith(tracer, status).request('/ws/lobby')
    expect(tracer.spans).toMatchObject([{ attributes: { 'http.response.status_code': status }, ends: 1 }])
    expect(tracer.spans[0]?.status).toStrictEqual(expected)
  })

  it('records a route that throws', async () => {
    const tracer = testTracer()
    await appWith(tracer, 200).request('/fails')
    expect(tracer.spans).toMatchObject([{ exceptions: ['broken'], status: { code: 2 }, ends: 1 }])
  })
})

describe('parseTraceparent', () => {
  it.each([
    ['too short', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'],
    ['version ff', inbound.replace('00-', 'ff-')],
    ['no trace', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
    ['no span', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`],
    ['upper case', inbound.toUpperCase()],
    ['more in version 00', `${inbound}-more`],
    ['not hexadecimal', inbound.replace('0af', 'xyz')],
    ['a blank', ` ${inbound}`],
    ['very long', `01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-${'x'.repeat(600)}`],
    ['no text', 7],
    ['nothing', undefined],
  ])('takes %s for nothing', (_what, text) => {
    expect(parseTraceparent(text)).toBeUndefined()
  })

  it('reads later versions as far as they are known', () => {
    expect(parseTraceparent(`${inbound.replace('00-', 'cc-')}-what-follows`)).toMatchObject({
      spanId: 'b7ad6b7169203331',
    })
  })

  it('keeps only the flag that is defined', () => {
    expect(parseTraceparent(inbound.replace(/01$/, 'ff'))?.traceFlags).toBe(1)
    expect(parseTraceparent(inbound.replace(/01$/, '02'))?.traceFlags).toBe(0)
  })

  it('passes a state on as it came, unless it is malformed', () => {
    const known = parseTraceparent(inbound, 'a=1,b=2')
    expect(known && traceHeaders(known)).toStrictEqual({ traceparent: inbound, tracestate: 'a=1,b=2' })
    expect(known?.traceState?.get('b')).toBe('2')
    expect(known?.traceState?.get('c')).toBeUndefined()
    const malformed = parseTraceparent(inbound, 'a=1\r\nx: y')
    expect(malformed && traceHeaders(malformed)).toStrictEqual({ traceparent: inbound })
  })
})
