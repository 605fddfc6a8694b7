// SPDX-License-Identifier: Apache-2.0
import type { BusMessage } from '@nats-edge/wire-parser'
import type { Connection } from '../connection.ts'
import { codecOf, formFor, payloadValue, type NatsForm } from './reply-form.ts'
import { eventFrame } from './event-frame.ts'
import type { ReplyDesk } from './reply-desk.ts'

interface PushRules {
  readonly as: NatsForm | undefined
  /** The event where the message names none. */
  readonly event: string
}

/** The clients that workers can send to unasked. */
export class Pushes {
  readonly #desk: ReplyDesk
  readonly #rules: PushRules
  readonly #leaving = new Map<string, () => void>()
  undeliverable = 0

  constructor(desk: ReplyDesk, rules: PushRules) {
    this.#desk = desk
    this.#rules = rules
  }

  get size(): number {
    return this.#leaving.size
  }

  join(connection: Connection): void {
    const { id, signal } = connection
    if (this.#leaving.has(id) || !this.#desk.receive(id, (message) => this.#push(connection, message))) return
    const leave = (): void => {
      signal.removeEventListener('abort', leave)
      this.#leaving.delete(id)
      this.#desk.leave(id)
    }
    this.#leaving.set(id, leave)
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  }

  close(): void {
    for (const leave of this.#leaving.values()) leave()
  }

  #push(connection: Connection, { payload, headers }: BusMessage): void {
    const codec = codecOf(connection)
    try {
      const value = payloadValue(payload, formFor(codec, this.#rules.as), codec)
      connection.send(eventFrame(codec, { event: headers?.get('Ws-Event') ?? this.#rules.event, value }))
    } catch {
      this.undeliverable += 1
    }
  }
}
