// SPDX-License-Identifier: Apache-2.0
import { get as httpGet } from 'node:http'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { vi } from 'vitest'
import { type Patience, patience } from '../support/program.ts'
import { WsClient } from '../ws/ws-client.ts'

/** Where an edge is reached. */
export interface Doors {
  readonly http: string
  readonly wire: string
}

const messages = 20
let nextRoom = 0

/** Comes through every door of an edge, sends, checks each answer, and leaves. Rejects with the first thing that is wrong. */
export async function visit(doors: Doors, within: Patience = patience): Promise<void> {
  const ways = [request(doors), echo(doors, within), chat(doors, within), order(doors, within), wire(doors, within)]
  const results = await Promise.allSettled(ways)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** What the services of the visitors answer, on a connection of their own. */
export async function startServices(url: string): Promise<NatsConnection> {
  const nats = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  // An answer of nats-proxy with status 200 and nothing else.
  nats.subscribe('GET:.up', { callback: (_, message) => void message.respond(new Uint8Array([8, 0xc8, 1])) })
  nats.subscribe('orders.*', { callback: (_, message) => void message.respond('{"total":7}') })
  await nats.flush()
  return nats
}

/** Clients that are cut in the middle of what they say, over TCP and WebSocket. */
export async function leaveInMidSentence({ http, wire }: Doors): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: 10 }, () => reached(connectSocket(address(wire)))))
  for (const [index, socket] of sockets.entries()) {
    socket.on('error', () => {})
    socket.write('CONNECT {"verbose":false}\r\nPUB news 100\r\nhalf of'.slice(0, 5 * (index + 1)))
    socket.resetAndDestroy()
  }
  const clients = await Promise.all(Array.from({ length: 10 }, () => WsClient.open(`${http}/ws/chat/halves`)))
  for (const client of clients) {
    client.send('x'.repeat(50_000))
    client.end()
  }
}

/** Members of a room that take nothing while much is said, until they are cut. */
export async function takeNothing({ http }: Doors): Promise<void> {
  const room = `${http}/ws/chat/deaf`
  const deaf = await Promise.all(Array.from({ length: 5 }, () => WsClient.open(room)))
  for (const { socket } of deaf) socket.pause()
  const loud = await WsClient.open(room)
  for (let count = 0; count < 100; count++) loud.send('x'.repeat(30_000))
  loud.send('end')
  await vi.waitUntil(() => loud.texts.at(-1) === 'end', patience)
  for (const client of [...deaf, loud]) client.end()
}

/** Gets a text on a connection of its own; rejects unless the status is 200. */
export function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpGet(url, { agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.once('end', () => {
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`${url} answered ${response.statusCode}: ${body}`))
      })
      response.once('error', reject)
    })
    sent.once('error', reject)
  })
}

async function request({ http }: Doors): Promise<void> {
  for (let count = 0; count < messages; count++) {
    await get(`${http}/up`)
  }
}

async function echo({ http }: Doors, within: Patience): Promise<void> {
  await withClients([`${http}/ws/echo`, `${http}/ws/echo`], async (clients) => {
    for (const client of clients) {
      for (let count = 0; count < messages; count++) client.send(`${count}`)
      expectEqual('echo', (await client.received(messages, within)).join(), [...Array(messages).keys()].join())
    }
  })
}

async function chat({ http }: Doors, within: Patience): Promise<void> {
  const room = `${http}/ws/chat/${nextRoom++ % 5}-${process.pid}`
  await withClients([room, room, room], async (clients) => {
    const [first] = clients
    const word = `${performance.now()}`
    // Whoever has just come may not be in the room yet.
    const isHeard = (): boolean => clients.every(({ texts }) => texts.includes(word))
    const say = (): boolean => {
      if (!isHeard()) first?.send(word)
      return isHeard()
    }
    await vi.waitUntil(say, { ...within, interval: 20 })
    for (const { texts } of clients) {
      if (texts.some((text) => text !== word)) throw new Error(`a member of ${room} heard ${texts.join()}`)
    }
  })
}

async function order({ http }: Doors, within: Patience): Promise<void> {
  await withClients([`${http}/ws/shop`], async ([client]) => {
    for (let id = 1; id <= messages; id++) {
      const answer = await client?.ask({ type: 'order', id, data: { id: 7 } }, within)
      expectEqual('an order', JSON.stringify(answer?.['data']), '{"total":7}')
    }
  })
}

async function wire({ wire }: Doors, { timeout }: Patience): Promise<void> {
  const nats = await connect({ servers: wire, reconnect: false, timeout })
  try {
    const subject = nats.info === undefined ? 'soak' : `soak.${nats.info.client_id}`
    const got: string[] = []
    nats.subscribe(subject, { callback: (_, message) => void got.push(message.string()) })
    for (let count = 0; count < messages; count++) nats.publish(subject, `${count}`)
    await nats.flush()
    expectEqual('what was published', got.join(), [...Array(messages).keys()].join())
    expectEqual('a request', (await nats.request('orders.1', '', { timeout })).string(), '{"total":7}')
  } finally {
    await nats.close()
  }
}

async function withClients(urls: readonly string[], use: (clients: readonly WsClient[]) => Promise<void>) {
  const opened = await Promise.allSettled(urls.map((url) => WsClient.open(url)))
  const clients = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  try {
    for (const each of opened) if (each.status === 'rejected') throw each.reason
    await use(clients)
  } finally {
    for (const { socket } of clients) socket.close()
    await Promise.all(clients.map((client) => client.untilClosed()))
  }
}

function reached(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject))
}

function address(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

function expectEqual(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what} came to ${String(found)}, not ${String(expected)}`)
}
