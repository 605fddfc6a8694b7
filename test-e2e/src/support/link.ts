// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { randomFrom, type Random, whole } from '../wire/faults/random.ts'

/** What a link does to the bytes it passes on. */
export interface Weather {
  /** How long each piece is on its way, in milliseconds, drawn between the two. */
  readonly latencyMs?: readonly [number, number]
  /** The size of the pieces that bytes are cut into, drawn between the two. */
  readonly slices?: readonly [number, number]
}

/** A network of one cable between clients and a server on loopback, which can be bad, hang, or be cut. */
export class Link {
  readonly #server: Server
  readonly #port: number
  readonly #random: Random
  readonly #pairs = new Set<readonly [Direction, Direction]>()
  #weather: Weather = {}
  #isHeld = false
  /** Connections made through it so far. */
  dials = 0

  private constructor(server: Server, port: number, random: Random) {
    this.#server = server
    this.#port = port
    this.#random = random
    server.on('connection', (socket) => this.#join(socket))
  }

  /** A link that ends with the test. */
  static async to(url: string, seed: number): Promise<Link> {
    const server = createServer({ noDelay: true })
    const link = new Link(server, Number(new URL(url).port), randomFrom(seed))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      link.cut()
      server.close()
    })
    return link
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Connections open now. */
  get open(): number {
    return this.#pairs.size
  }

  become(weather: Weather): void {
    this.#weather = weather
  }

  /** Passes nothing on any more, not even the end of a connection; what is sent meanwhile waits. */
  hold(): void {
    this.#isHeld = true
    this.#tell((direction) => direction.hold(true))
  }

  release(): void {
    this.#isHeld = false
    this.#tell((direction) => direction.hold(false))
  }

  /** Resets every connection, on both ends. */
  cut(): void {
    this.#tell((direction) => direction.reset())
  }

  #tell(what: (direction: Direction) => void): void {
    for (const pair of this.#pairs) for (const direction of pair) what(direction)
  }

  #join(client: Socket): void {
    this.dials++
    const server = connect({ port: this.#port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const pass = (from: Socket, to: Socket): Direction =>
      new Direction(from, to, this.#random, () => this.#weather, this.#isHeld)
    const pair = [pass(client, server), pass(server, client)] as const
    this.#pairs.add(pair)
    let ends = 0
    for (const socket of [client, server]) {
      socket.on('close', () => {
        if (++ends === 2) this.#pairs.delete(pair)
      })
    }
  }
}

interface Piece {
  readonly bytes: Buffer | 'end' | 'reset'
  readonly dueAt: number
}

/** One way through a link: pieces in their order, each at its time. */
class Direction {
  readonly #from: Socket
  readonly #to: Socket
  readonly #random: Random
  readonly #weather: () => Weather
  readonly #pieces: Piece[] = []
  #isHeld: boolean
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, random: Random, weather: () => Weather, isHeld: boolean) {
    this.#from = from
    this.#to = to
    this.#random = random
    this.#weather = weather
    this.#isHeld = isHeld
    from.on('data', (bytes) => this.#take(bytes))
    from.on('close', (hadError) => this.#push(hadError ? 'reset' : 'end'))
    from.on('error', () => undefined)
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.#deliver()
  }

  reset(): void {
    clearTimeout(this.#timer)
    this.#pieces.length = 0
    this.#from.resetAndDestroy()
    this.#to.resetAndDestroy()
  }

  #take(bytes: Buffer): void {
    const { slices = [bytes.length, bytes.length] } = this.#weather()
    for (let start = 0; start < bytes.length;) {
      const end = start + Math.max(1, whole(slices, this.#random))
      this.#push(bytes.subarray(start, end))
      start = end
    }
  }

  #push(bytes: Piece['bytes']): void {
    const { latencyMs = [0, 0] } = this.#weather()
    // No piece overtakes another one.
    const earliest = this.#pieces.at(-1)?.dueAt ?? 0
    this.#pieces.push({ bytes, dueAt: Math.max(earliest, performance.now() + whole(latencyMs, this.#random)) })
    this.#deliver()
  }

  #deliver(): void {
    clearTimeout(this.#timer)
    if (this.#isHeld) return
    for (let next = this.#pieces[0]; next !== undefined; next = this.#pieces[0]) {
      const waitMs = next.dueAt - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), waitMs)
        return
      }
      this.#pieces.shift()
      if (next.bytes === 'end') this.#to.end()
      else if (next.bytes === 'reset') this.#to.resetAndDestroy()
      else if (!this.#to.destroyed) this.#to.write(next.bytes)
    }
  }
}
