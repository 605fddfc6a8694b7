// SPDX-License-Identifier: Apache-2.0
import {
  type BusMessage,
  matches,
  overlaps,
  parseSubject,
  type Pattern,
  type Subscription,
} from '@nats-edge/wire-parser'
import type { Handler } from './chain.ts'
import type { RoutePattern } from './route-pattern.ts'
import { compareExactness } from './subject-rank.ts'

export interface ServiceRoute {
  /** What requests it takes on its subject; undefined for all, as where the method is part of the subject. */
  readonly method: string | undefined
  readonly pattern: RoutePattern
  readonly handler: Handler
}

const anySubject = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** One subscription and the routes behind it, which differ in method only. */
export class Binding {
  readonly subject: Pattern
  readonly queue: string | undefined
  subscription: Subscription | undefined
  /** Why the subscription ended, if not by `close()`. */
  ended: unknown
  readonly #routes: ServiceRoute[] = []
  // Bindings of the same queue group whose subjects also match some message of this one, the more exact ones only.
  readonly #moreExact: Binding[] = []

  constructor(subject: Pattern, queue: string | undefined) {
    this.subject = subject
    this.queue = queue
  }

  add(route: ServiceRoute): void {
    const taken = this.#routes.some((other) => other.method === route.method)
    if (taken) {
      throw new TypeError(
        `${route.method ?? 'any'} ${route.pattern.text}: the subject ${this.subject} already has a handler`,
      )
    }
    this.#routes.push(route)
  }

  /**
   * Takes notice of another binding. In one queue group the server hands a message to one subscription at random, among
   * all that match, so whichever gets it must hand it to the most exact one.
   */
  meet(other: Binding): void {
    if (this.queue === undefined || this.queue !== other.queue || !overlaps(this.subject, other.subject)) return
    if (compareExactness(other.subject, this.subject) < 0) insert(this.#moreExact, other)
    else insert(other.#moreExact, this)
  }

  /** The route for a message, undefined if none takes its method. */
  route(message: BusMessage, method: string): ServiceRoute | undefined {
    const binding = this.#moreExact.length === 0 ? this : this.#mostExact(message.subject)
    return binding.#routeFor(method)
  }

  /** Takes no more messages than the server has sent already. */
  async drain(): Promise<void> {
    await this.subscription?.drain()
  }

  /** The pattern it was registered with first, for reports. */
  get label(): string {
    return this.#routes[0]?.pattern.text ?? ''
  }

  #mostExact(text: string): Binding {
    const subject = parseSubject(text, anySubject)
    if (subject === undefined) return this
    return this.#moreExact.find((binding) => matches(binding.subject, subject)) ?? this
  }

  #routeFor(method: string): ServiceRoute | undefined {
    const routes = this.#routes
    if (routes.length === 1 && (routes[0]?.method === undefined || method === '')) return routes[0]
    return routes.find((route) => route.method === method) ?? routes.find((route) => route.method === undefined)
  }
}

function insert(bindings: Binding[], binding: Binding): void {
  bindings.push(binding)
  bindings.sort((a, b) => compareExactness(a.subject, b.subject))
}
