// SPDX-License-Identifier: Apache-2.0
import { connect as dial, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { startNatsServer, type NatsServer, type StartOptions } from '@nats-edge/embedded-nats'
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/nats-core'
import { onTestFinished, vi } from 'vitest'
import { parsePattern, type Pattern } from '../pattern.ts'
import { parseSubject, type Subject } from '../subject.ts'

// Waiting goes by the real clock, also while a test holds that of the deadlines.
const clock = performance

export type Binary = StartOptions['binary']

/** A broker that ends with the test. */
export async function startBroker(
  binary: NonNullable<Binary>,
  options: Partial<StartOptions> = {},
): Promise<NatsServer> {
  const server = await startNatsServer({ jetstream: false, ...options, binary })
  onTestFinished(() => server.stop())
  return server
}

/** A connection that comes back quickly and is closed with the test. */
export async function connectTo(server: NatsServer, options: NodeConnectionOptions = {}): Promise<NatsConnection> {
  const nats = await connect({
    servers: server.url,
    reconnectTimeWait: 50,
    reconnectJitter: 10,
    maxReconnectAttempts: -1,
    ...options,
  })
  onTestFinished(() => nats.close())
  return nats
}

/** Resolves once `holds` does; rejects when it still does not after `withinMs`. */
export async function eventually(holds: () => boolean, withinMs = 10_000): Promise<void> {
  const end = clock.now() + withinMs
  while (!holds()) {
    if (clock.now() > end) throw new Error(`not within ${withinMs} ms: ${holds}`)
    await pause(2)
  }
}

/** Holds the clock of deadlines that are set after this, until the test is over or moves it. */
export function holdDeadlines(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

export function subject(text: string): Subject {
  const parsed = parseSubject(text)
  if (parsed === undefined) throw new TypeError(`${text} is no subject`)
  return parsed
}

export function pattern(text: string): Pattern {
  const parsed = parsePattern(text)
  if (parsed === undefined) throw new TypeError(`${text} is no pattern`)
  return parsed
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

export function text(from: Uint8Array): string {
  return Buffer.from(from).toString('latin1')
}

/** A client of nothing but bytes, to see and to send what no library would. */
export class RawClient {
  readonly #socket: Socket
  #received = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => (this.#received += String(chunk)))
    socket.on('error', () => undefined)
  }

  static async connect(server: NatsServer): Promise<RawClient> {
    const socket = dial(server.port, '127.0.0.1')
    onTestFinished(() => {
      socket.destroy()
    })
    const client = new RawClient(socket)
    client.send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\n')
    await client.settled()
    return client
  }

  /** Everything that came so far, one character per byte. */
  get received(): string {
    return this.#received
  }

  send(protocol: string): void {
    this.#socket.write(protocol, 'latin1')
  }

  /** Resolves when the server has worked through everything sent. */
  async settled(): Promise<void> {
    const pongs = this.#pongs()
    this.send('PING\r\n')
    await eventually(() => this.#pongs() > pongs)
  }

  #pongs(): number {
    return this.#received.split('PONG\r\n').length
  }
}
