// A span for every upgrade and every request, linked to each other and to what came before and after.
import { serve } from '@hono/node-server'
import { httpBackend, jsonRpc, traceHeadersOf, tracing, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { Hono } from 'hono'

export async function start({ origin = 'http://127.0.0.1:3001', port = 3000, exporter } = {}) {
  // BatchSpanProcessor and an OTLP exporter in production; here every span is printed as it ends.
  const processor = new SimpleSpanProcessor(exporter ?? new ConsoleSpanExporter())
  const provider = new NodeTracerProvider({ spanProcessors: [processor] })
  provider.register()
  const tracer = trace.getTracer('shop')
  const traces = tracing({ tracer, attributes: ({ key }) => ({ 'rpc.method': key }) })

  const gateway = wsGateway()
  gateway
    .channel('/shop', { codec: jsonRpc() })
    .http(traces.upgrade)
    .use(traces)
    // Backends pass the trace on by themselves.
    .route(
      'order',
      httpBackend({ origin, request: ({ data }) => ({ path: `/orders/${encodeURIComponent(data.id)}` }) }),
    )
    // A span of one's own, below that of the request.
    .route('sum', (request) => {
      const parent = propagation.extract(ROOT_CONTEXT, traceHeadersOf(request))
      return tracer.startActiveSpan('add up', {}, parent, (span) => {
        const sum = request.data.numbers.reduce((sum, number) => sum + number, 0)
        span.setAttribute('numbers', request.data.numbers.length).end()
        return { sum }
      })
    })

  const app = new Hono()
  app.route('/ws', gateway.routes)
  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, websocket })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await gateway.close({ drainMs: 1000, spreadMs: 0 })
    server.close()
    await provider.shutdown()
    trace.disable()
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ origin: process.env.ORIGIN, port: Number(process.env.PORT ?? 3000) })
  console.log(`ws://127.0.0.1:${port}/ws/shop`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
