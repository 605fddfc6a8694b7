// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { Principal } from '@nats-edge/wire-parser'
import { Hono } from 'hono'
import { onTestFinished } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import type { CloseInfo } from './close-code.ts'
import type { WsEvent } from './event.ts'
import type { GatewayOptions } from './options.ts'
import { hosts, startAttached, type StartHost, type TestHost } from './upgrade/hosts.test-support.ts'
import { WsError } from './ws-error.ts'
import { wsGateway, type WsGateway } from './ws-gateway.ts'

/** A gateway on a server, and what it has told so far. */
export interface Rig {
  readonly gateway: WsGateway
  readonly host: TestHost
  readonly events: WsEvent[]
  connect(path?: string, options?: ClientOptions & { readonly protocols?: string[] }): Promise<TestClient>
}

/** Every way into a channel: two hosts, frames written directly or through ws. */
export const ways: readonly { readonly name: string; readonly way: GatewayOptions & { readonly start: StartHost } }[] =
  hosts.flatMap(({ name, start }) =>
    (['auto', 'plain'] as const).map((transport) => ({
      name: `${name}, transport ${transport}`,
      way: { start, transport },
    })),
  )

const roomy: GatewayOptions = { maxConnectionsPerIp: 10_000, maxUpgradesPerSecond: Infinity }

/** Serves a gateway at the root of an app. */
export async function startGateway(
  build: (gateway: WsGateway) => unknown,
  { start = startAttached, ...options }: GatewayOptions & { readonly start?: StartHost } = {},
): Promise<Rig> {
  const events: WsEvent[] = []
  const gateway = wsGateway({ ...roomy, ...options, observe: (event) => events.push(event) })
  build(gateway)
  const app = new Hono().onError((_error, c) => c.text('failed', 500)).route('/', gateway.routes)
  const host = await start(app)
  onTestFinished(() => gateway.close({ drainMs: 0 }))
  return { gateway, host, events, connect: (path = '/', clientOptions = {}) => connectTo(host, path, clientOptions) }
}

/** A client of the ws package that remembers what it got. */
export interface TestClient {
  readonly ws: WebSocket
  /** Messages not taken by `next()`. */
  readonly messages: string[]
  /** The opcodes of all messages so far. */
  readonly binary: boolean[]
  next(): Promise<string>
  /** The next message, parsed. */
  nextJson(): Promise<unknown>
  send(message: string | Uint8Array | object): void
  readonly closed: Promise<Omit<CloseInfo, 'wasClean'>>
}

export async function connectTo(
  host: TestHost,
  path: string,
  options: ClientOptions & { readonly protocols?: string[] } = {},
): Promise<TestClient> {
  const { protocols = [], ...rest } = options
  const ws = new WebSocket(`ws://127.0.0.1:${host.port}${path}`, protocols, { perMessageDeflate: false, ...rest })
  const client = clientOf(ws)
  await once(ws, 'open')
  ws.on('error', () => {})
  onTestFinished(() => ws.terminate())
  return client
}

function clientOf(ws: WebSocket): TestClient {
  const messages: string[] = []
  const binary: boolean[] = []
  const waiting: ((text: string) => void)[] = []
  ws.on('message', (data, isBinary) => {
    binary.push(isBinary)
    const take = waiting.shift()
    if (take === undefined) messages.push(String(data))
    else take(String(data))
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  const next = (): Promise<string> => {
    const text = messages.shift()
    return text === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(text)
  }
  return {
    ws,
    messages,
    binary,
    next,
    nextJson: async () => JSON.parse(await next()) as unknown,
    send: (message) =>
      ws.send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message)),
    closed,
  }
}

/** Somebody who may do anything. */
export function principalOf(name: string, expiresAt?: number): Principal {
  const permissions = { allows: () => true, covers: () => 'all' as const }
  return { id: `test:${name}`, name, claims: {}, permissions, ...(expiresAt !== undefined && { expiresAt }) }
}

/** The code a promise is rejected with, or `resolved`. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    return error instanceof WsError ? error.code : String(error)
  }
}

/** Finds the events of one type. */
export function eventsOf<T extends WsEvent['type']>(rig: Rig, type: T): Extract<WsEvent, { type: T }>[] {
  return rig.events.filter((event): event is Extract<WsEvent, { type: T }> => event.type === type)
}

/** Reads one number out of `stats()`, adding up the samples with these labels. */
export function statOf(gateway: WsGateway, name: string, labels: Readonly<Record<string, string>> = {}): number {
  for (const family of gateway.stats()) {
    if (family.name !== name) continue
    let sum = 0
    for (const sample of family.samples) {
      const isAsked = Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
      if (isAsked && typeof sample.value === 'number') sum += sample.value
    }
    return sum
  }
  throw new Error(`no family ${name}`)
}

/** The status of a refused handshake, and its body. */
export async function refusal(
  host: TestHost,
  path: string,
  options: ClientOptions & { readonly protocols?: string[] } = {},
): Promise<{ status: number; retryAfter: string | undefined; body: string }> {
  const { protocols = [], ...rest } = options
  const ws = new WebSocket(`ws://127.0.0.1:${host.port}${path}`, protocols, rest)
  ws.on('error', () => {})
  return new Promise((resolve, reject) => {
    ws.once('open', () => {
      ws.terminate()
      reject(new Error('the handshake was not refused'))
    })
    ws.once('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (chunk) => (body += String(chunk)))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body })
      })
    })
  })
}
