// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { start } from '../../examples/ws-opentelemetry/server.js'
import { patience } from './support/program.ts'

/** What is asserted of a span of the SDK. */
interface SeenSpan {
  readonly name: string
  readonly kind: number
  readonly attributes: Record<string, unknown>
  readonly status: { readonly code: number; readonly message?: string }
  readonly events: readonly { readonly name: string }[]
  readonly links: readonly { readonly context: { readonly spanId: string } }[]
  readonly parentSpanContext?: { readonly spanId: string; readonly traceId: string }
  spanContext(): { readonly spanId: string; readonly traceId: string }
}

const inbound = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const [, traceId, spanId] = inbound.split('-')

describe('examples/ws-opentelemetry', () => {
  // What an exporter of the SDK is: the spans it is handed are the SDK's own.
  const spans: SeenSpan[] = []
  const exporter = {
    export: (ended: SeenSpan[], done: (result: { code: number }) => void): void => {
      spans.push(...ended)
      done({ code: 0 })
    },
    shutdown: (): Promise<void> => Promise.resolve(),
  }
  const asked: (string | undefined)[] = []
  let url = ''
  const ends: (() => unknown)[] = []

  beforeAll(async () => {
    const service = createServer((request, response) => {
      asked.push(request.headers['traceparent'] as string | undefined)
      response.writeHead(request.url === '/orders/0' ? 500 : 200, { 'Content-Type': 'application/json' }).end('{}')
    }).listen(0, '127.0.0.1')
    await once(service, 'listening')
    const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
    const options = { origin, port: 0, exporter }
    const { port, stop } = await start(options)
    url = `ws://127.0.0.1:${port}/ws/shop`
    ends.push(stop, () => service.close())
  })
  afterAll(async () => {
    for (const end of ends) await end()
  })
  beforeEach(() => {
    spans.length = 0
    asked.length = 0
  })

  async function ask(message: object, headers: Record<string, string> = {}): Promise<void> {
    const socket = new WebSocket(url, { headers })
    await once(socket, 'open')
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }))
    await once(socket, 'message')
    socket.close()
    await once(socket, 'close')
  }

  async function spanOf(name: string): Promise<SeenSpan> {
    return vi.waitUntil(() => spans.find((span) => span.name === name), patience)
  }

  it('makes spans of the upgrade, of the request and of what is done for it', async () => {
    await ask({ method: 'sum', params: { numbers: [1, 2, 3] } }, { traceparent: inbound })
    const [upgrade, request, inner] = [await spanOf('upgrade /shop'), await spanOf('/shop sum'), await spanOf('add up')]
    expect(upgrade.parentSpanContext).toMatchObject({ traceId, spanId })
    expect(upgrade.attributes).toMatchObject({ 'http.request.method': 'GET', 'http.response.status_code': 101 })
    expect(upgrade.kind).toBe(1)
    expect(request.parentSpanContext).toBeUndefined()
    expect(request.links.map(({ context }) => context.spanId)).toEqual([upgrade.spanContext().spanId])
    expect(request.attributes).toMatchObject({ 'ws.channel': '/shop', 'ws.route': 'sum', 'rpc.method': 'sum' })
    expect(request.attributes['ws.connection.id']).toEqual(expect.any(String))
    expect(inner.parentSpanContext?.spanId).toBe(request.spanContext().spanId)
    expect(inner.attributes).toEqual({ numbers: 3 })
  })

  it('goes on with the trace of a message, up to the service', async () => {
    await ask({ method: 'order', params: { id: '17', traceparent: inbound } })
    const request = await spanOf('/shop order')
    expect(request.parentSpanContext).toMatchObject({ traceId, spanId })
    expect(request.spanContext().traceId).toBe(traceId)
    expect(asked).toEqual([`00-${traceId}-${request.spanContext().spanId}-01`])
    expect(request.status.code).toBe(0)
  })

  it('says what went wrong', async () => {
    await ask({ method: 'order', params: { id: '0' } })
    const request = await spanOf('/shop order')
    expect(request.attributes).toMatchObject({ 'error.type': 'bad_reply' })
    expect(request.status.code).toBe(2)
    expect(request.events.map(({ name }) => name)).toEqual(['exception'])
  })
})
