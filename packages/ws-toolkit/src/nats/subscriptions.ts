// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusMessage, Coverage, Pattern } from '@nats-edge/wire-parser'
import type { Site } from '../chain.ts'
import { closeCode } from '../close-code.ts'
import type { Connection } from '../connection.ts'
import { isPromise } from '../promise.ts'
import { WsError } from '../ws-error.ts'
import { checkConnected } from './bus-fault.ts'
import { watchBus } from './bus-watch.ts'
import { codecOf } from './reply-form.ts'
import { Framing, type Seat, type Topic, type Wording } from './seat.ts'
import { Upstreams } from './upstreams.ts'

export interface SubscriptionRules {
  readonly perConnection: number
  readonly wording: Wording
  permits(connection: Connection, pattern: Pattern): boolean | Promise<boolean>
}

/** The subscriptions of one client. */
interface Holding {
  readonly seats: Map<Pattern, Seat>
  readonly leave: () => void
}

/** Who wants what, and hands it to them. */
export class Subscriptions {
  readonly #bus: Bus
  readonly #rules: SubscriptionRules
  readonly #upstreams: Upstreams
  readonly #topics = new Map<Pattern, Topic>()
  readonly #holdings = new Map<string, Holding>()
  readonly #unwatch: (() => void)[] = []
  #denied = 0
  #undeliverable = 0
  #isClosed = false

  constructor(bus: Bus, rules: SubscriptionRules) {
    this.#bus = bus
    this.#rules = rules
    this.#upstreams = Upstreams.of(bus)
  }

  mount(site: Site): void {
    this.#unwatch.push(watchBus(this.#bus, site.observe))
  }

  stats(): { subscriptions: number; upstreams: number; denied: number; undeliverable: number } {
    let subscriptions = 0
    for (const { seats } of this.#holdings.values()) subscriptions += seats.size
    return {
      subscriptions,
      upstreams: this.#topics.size,
      denied: this.#denied,
      undeliverable: this.#undeliverable,
    }
  }

  /** Resolves when messages arrive. */
  async add(connection: Connection, pattern: Pattern): Promise<void> {
    this.#checkOpen()
    const { principal } = connection
    if (!(await this.#rules.permits(connection, pattern))) throw refusal(connection)
    this.#checkOpen()
    // Somebody else by now: what was found out says nothing about them.
    if (connection.principal !== principal) return this.add(connection, pattern)
    const coverage = principal?.permissions.covers('subscribe', pattern) ?? 'all'
    if (coverage === 'none') throw refusal(connection)
    if (connection.state === 'closed') throw new WsError('closed')
    const seat = this.#holdings.get(connection.id)?.seats.get(pattern) ?? this.#sit(connection, pattern, coverage)
    seat.principal = principal
    seat.coverage = coverage
    try {
      await seat.topic.lease.ready()
      seat.isConfirmed = true
    } catch (error) {
      // A client that was told of its subscription before still has it.
      if (!seat.isConfirmed) this.#stand(seat)
      throw error
    }
  }

  remove(connection: Connection, pattern: Pattern): void {
    const seat = this.#holdings.get(connection.id)?.seats.get(pattern)
    if (seat !== undefined) this.#stand(seat)
  }

  /** Asks again for all that a connection has, where it has another principal than was asked about. */
  recheck(connection: Connection): void {
    for (const seat of this.#holdings.get(connection.id)?.seats.values() ?? []) {
      // The first that is taken away takes all others with it.
      if (seat.topic.seats.has(seat) && seat.principal !== connection.principal) this.#checkAgain(seat)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const unwatch of this.#unwatch.splice(0)) unwatch()
    for (const { leave } of this.#holdings.values()) leave()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new WsError('draining')
    checkConnected(this.#bus.state)
  }

  #sit(connection: Connection, pattern: Pattern, coverage: Coverage): Seat {
    // First the limit of the connection, which is told of.
    const uncount = connection.countSubscription()
    try {
      this.#checkRoom(connection)
      const topic = this.#topics.get(pattern) ?? this.#open(pattern)
      const seat: Seat = {
        connection,
        topic,
        codec: codecOf(connection),
        uncount,
        principal: connection.principal,
        coverage,
        isConfirmed: false,
      }
      topic.seats.add(seat)
      this.#holdingOf(connection).seats.set(pattern, seat)
      return seat
    } catch (error) {
      uncount()
      throw error
    }
  }

  #checkRoom({ id }: Connection): void {
    const { perConnection } = this.#rules
    const held = this.#holdings.get(id)?.seats.size ?? 0
    if (held < perConnection) return
    throw new WsError('overloaded', { message: `a connection may have ${perConnection} subscriptions` })
  }

  #stand(seat: Seat): void {
    const { topic, connection } = seat
    if (!topic.seats.delete(seat)) return
    seat.uncount()
    const holding = this.#holdings.get(connection.id)
    holding?.seats.delete(topic.pattern)
    if (holding?.seats.size === 0) holding.leave()
    if (topic.seats.size > 0) return
    if (this.#topics.get(topic.pattern) === topic) this.#topics.delete(topic.pattern)
    topic.lease.close()
  }

  #open(pattern: Pattern): Topic {
    const topic: Topic = {
      pattern,
      seats: new Set(),
      lease: this.#upstreams.listen(pattern, {
        message: (message) => this.#deliver(topic, message),
        failed: () => this.#fail(topic),
      }),
    }
    this.#topics.set(pattern, topic)
    return topic
  }

  #holdingOf(connection: Connection): Holding {
    const known = this.#holdings.get(connection.id)
    if (known !== undefined) return known
    const { id, signal } = connection
    const seats = new Map<Pattern, Seat>()
    const leave = (): void => {
      signal.removeEventListener('abort', leave)
      this.#holdings.delete(id)
      for (const seat of seats.values()) this.#stand(seat)
    }
    const holding = { seats, leave }
    this.#holdings.set(id, holding)
    signal.addEventListener('abort', leave, { once: true })
    return holding
  }

  #deliver({ seats }: Topic, message: BusMessage): void {
    const framing = new Framing(message, this.#rules.wording)
    for (const seat of seats) {
      if (!this.#mayDeliver(seat, message.subject)) {
        this.#denied += 1
        continue
      }
      const frame = framing.frameFor(seat.codec)
      if (frame === undefined) this.#undeliverable += 1
      else seat.connection.send(frame)
    }
  }

  #mayDeliver(seat: Seat, subject: string): boolean {
    if (seat.connection.principal !== seat.principal) this.#checkAgain(seat)
    if (seat.coverage === 'all') return true
    return seat.coverage === 'some' && seat.principal?.permissions.allows('deliver', subject) === true
  }

  /** Somebody else sits there now: nothing is delivered before it is known to be allowed. */
  #checkAgain(seat: Seat): void {
    const { connection, topic } = seat
    const { principal } = connection
    seat.principal = principal
    seat.coverage = 'none'
    const decide = (isPermitted: boolean): void => {
      // Yet another one came meanwhile, who is asked about with the next message.
      if (seat.principal !== principal || !topic.seats.has(seat)) return
      if (isPermitted) seat.coverage = principal?.permissions.covers('subscribe', topic.pattern) ?? 'all'
      if (seat.coverage === 'none') this.#evict(connection)
    }
    const permitted = this.#rules.permits(connection, topic.pattern)
    if (isPromise(permitted)) void permitted.then(decide)
    else decide(permitted)
  }

  #evict(connection: Connection): void {
    this.#holdings.get(connection.id)?.leave()
    void connection.close(closeCode.refused, 'no longer permitted')
  }

  /** The broker sends nothing any more: clients that believe it does must not wait for ever. */
  #fail(topic: Topic): void {
    for (const seat of topic.seats) {
      const { connection } = seat
      this.#stand(seat)
      if (seat.isConfirmed && connection.state === 'open')
        void connection.close(closeCode.internalError, 'a subscription has ended')
    }
  }
}

function refusal({ principal }: Connection): WsError {
  return new WsError(principal === undefined ? 'unauthorized' : 'forbidden')
}
