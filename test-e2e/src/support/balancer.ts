// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { RunningEdge } from './running-edge.ts'

const checkEveryMs = 25

/** A place behind the balancer: connections to it are kept, and nothing new goes there unless it says that it is ready. */
class Place {
  readonly edge: RunningEdge
  readonly agent: Agent = new Agent({ keepAlive: true })
  isReady = false
  readonly #checks: NodeJS.Timeout

  constructor(edge: RunningEdge) {
    this.edge = edge
    this.#checks = setInterval(() => void this.check(), checkEveryMs)
  }

  async check(): Promise<void> {
    this.isReady = (await this.edge.health('readyz').catch(() => 0)) === 200
  }

  leave(): void {
    clearInterval(this.#checks)
    this.isReady = false
    this.agent.destroy()
  }
}

/**
 * An HTTP balancer that does what all of them do: in turns, to whoever is ready; another one only where no connection
 * could be made. A request that was sent and not answered is answered 502.
 */
export class Balancer {
  readonly failures: string[] = []
  readonly #server: Server = createServer((incoming, outgoing) => this.#forward(incoming, outgoing))
  readonly #places: Place[] = []
  #turn = 0

  static async start(edges: readonly RunningEdge[]): Promise<Balancer> {
    const balancer = new Balancer()
    for (const edge of edges) await balancer.add(edge)
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    onTestFinished(() => {
      for (const place of balancer.#places) place.leave()
      balancer.#server.close()
      balancer.#server.closeAllConnections()
    })
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves when it gets requests. */
  async add(edge: RunningEdge): Promise<void> {
    const place = new Place(edge)
    await place.check()
    if (!place.isReady) throw new Error(`${edge.url} is not ready`)
    this.#places.push(place)
  }

  remove(edge: RunningEdge): void {
    const index = this.#places.findIndex((place) => place.edge === edge)
    for (const place of this.#places.splice(index, index < 0 ? 0 : 1)) place.leave()
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const ready = this.#places.filter(({ isReady }) => isReady)
    const place = ready[this.#turn++ % ready.length]
    if (place === undefined) return this.#fail(outgoing, 'nobody is ready')
    const { method, url = '/', headers } = incoming
    const sent = request(place.edge.url + url, { method, headers, agent: place.agent }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
      response.once('error', () => outgoing.destroy())
    })
    sent.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED') return this.#fail(outgoing, String(error))
      place.isReady = false
      this.#forward(incoming, outgoing)
    })
    sent.end()
  }

  #fail(outgoing: ServerResponse, why: string): void {
    this.failures.push(why)
    outgoing.writeHead(502).end(why)
  }
}
