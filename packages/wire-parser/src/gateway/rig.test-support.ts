// SPDX-License-Identifier: Apache-2.0
import { connect as dial, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type NatsServer, startNatsServer, type StartOptions } from '@nats-edge/embedded-nats'
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/nats-core'
import { onTestFinished, vi } from 'vitest'
import type { BoundListener, GatewayEvent, ListenerOptions, WireGateway, WireGatewayOptions } from '../gateway.ts'
import { wireGateway } from '../gateway.ts'

// Waiting goes by the real clock, also while a test holds the one of its gateway.
const clock = performance

export type Binary = NonNullable<StartOptions['binary']>

/** A gateway on a free port, with everything it has told. */
export interface Rig {
  readonly gateway: WireGateway
  readonly listener: BoundListener
  readonly url: string
  readonly events: GatewayEvent[]
  /** Events of one type. */
  of<Type extends GatewayEvent['type']>(type: Type): Extract<GatewayEvent, { type: Type }>[]
  /** A counter or gauge by its name and label values. */
  stat(name: string, ...labels: string[]): number
}

/** A broker that ends with the test. */
export async function startBroker(binary: Binary, options: Partial<StartOptions> = {}): Promise<NatsServer> {
  const server = await startNatsServer({ jetstream: false, ...options, binary })
  onTestFinished(() => server.stop())
  return server
}

/** A gateway that ends with the test, in front of a server or of what `options.backends` says. */
export async function startGateway(
  server: Pick<NatsServer, 'url'> | undefined,
  options: Partial<WireGatewayOptions> = {},
  listener: ListenerOptions = { port: 0 },
): Promise<Rig> {
  const events: GatewayEvent[] = []
  const gateway = wireGateway({
    backends: [{ url: server?.url ?? '' }],
    observe: (event) => events.push(event),
    ...options,
  })
  onTestFinished(() => gateway.close({ drainMs: 0 }))
  const bound = await gateway.listen(listener)
  return {
    gateway,
    listener: bound,
    url: `nats://127.0.0.1:${bound.port}`,
    events,
    of: (type) => events.filter((event): event is Extract<GatewayEvent, { type: typeof type }> => event.type === type),
    stat: (name, ...labels) => statOf(gateway, name, labels),
  }
}

function statOf(gateway: WireGateway, name: string, labels: readonly string[]): number {
  for (const family of gateway.stats()) {
    if (family.name !== name) continue
    for (const sample of family.samples) {
      if (Object.values(sample.labels).join() === labels.join()) return Number(sample.value)
    }
  }
  throw new Error(`there is no ${name} with ${labels.join()}`)
}

/** A client of the official library, closed with the test. */
export async function connectTo(url: string, options: NodeConnectionOptions = {}): Promise<NatsConnection> {
  const nats = await connect({ servers: url, maxReconnectAttempts: 0, reconnect: false, ...options })
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

/**
 * Holds the clock of a gateway that is started after this: its time goes on by `vi.advanceTimersByTime()` alone, until the
 * test is over. Sockets and servers are not held.
 */
export function holdClock(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
  })
  onTestFinished(() => void vi.useRealTimers())
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

export const plainConnect =
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n'

/** A client of nothing but bytes, to see and to send what no library would. One character is one byte. */
export class RawClient {
  readonly socket: Socket
  #received = ''
  #isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#isClosed = true
    })
    onTestFinished(() => {
      socket.destroy()
    })
  }

  /** Connects and waits for INFO. */
  static async to(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url)
    const client = new RawClient(dial(Number(port), hostname))
    await client.until(/\r\n/)
    return client
  }

  /** Connects and says CONNECT. */
  static async connected(url: string, line: string = plainConnect): Promise<RawClient> {
    const client = await RawClient.to(url)
    client.send(line)
    await client.settled()
    client.clear()
    return client
  }

  /** What came; but a PING the server sends two seconds into a connection, which no test waits for. */
  get received(): string {
    return this.#received.replaceAll(/(?<=^|\n)PING\r\n/g, '')
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** INFO as it came last. */
  get info(): Record<string, unknown> {
    const lines = this.#received.split('\r\n').filter((line) => line.startsWith('INFO '))
    return JSON.parse(lines.at(-1)?.slice(5) ?? 'null') as Record<string, unknown>
  }

  /** What came behind the first line. */
  get behindInfo(): string {
    return this.received.slice(this.received.indexOf('\r\n') + 2)
  }

  clear(): void {
    this.#received = ''
  }

  send(protocol: string | Uint8Array): void {
    this.socket.write(typeof protocol === 'string' ? Buffer.from(protocol, 'latin1') : protocol)
  }

  /** Resolves when what was received holds `what`. */
  async until(what: string | RegExp, withinMs = 10_000): Promise<void> {
    const end = clock.now() + withinMs
    while (typeof what === 'string' ? !this.#received.includes(what) : !what.test(this.#received)) {
      if (clock.now() > end) throw new Error(`${what} did not come, but ${JSON.stringify(this.#received)}`)
      if (this.#isClosed) throw new Error(`closed before ${what} came: ${JSON.stringify(this.#received)}`)
      await pause(1)
    }
  }

  async closed(withinMs = 10_000): Promise<string> {
    await eventually(() => this.#isClosed, withinMs)
    return this.received
  }

  /** Resolves when the server has worked through everything sent; returns what came, without INFO and this PONG. */
  async settled(): Promise<string> {
    const pongs = this.#pongs()
    this.send('PING\r\n')
    await eventually(() => this.#pongs() > pongs || this.#isClosed)
    const lines = this.received.replaceAll(/INFO [^\r]*\r\n/g, '')
    return lines.endsWith('PONG\r\n') ? lines.slice(0, -6) : lines
  }

  #pongs(): number {
    return this.#received.split('PONG\r\n').length
  }
}

/** One server, for what does not depend on its version. */
export function anyServer(servers: readonly Binary[]): Binary {
  const server = servers.at(-1)
  if (server === undefined) throw new Error('there is no nats-server to test with')
  return server
}
