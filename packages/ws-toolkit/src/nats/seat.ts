// SPDX-License-Identifier: Apache-2.0
import type { BusMessage, Coverage, Pattern, Principal } from '@nats-edge/wire-parser'
import type { Codec } from '../codec/codec.ts'
import { JsonText } from '../codec/json-text.ts'
import type { Connection } from '../connection.ts'
import type { SharedFrame } from '../frame.ts'
import { eventFrame } from './event-frame.ts'
import { formFor, payloadValue, type NatsForm } from './reply-form.ts'
import type { Lease } from './upstreams.ts'

/** One subscription of one client. */
export interface Seat {
  readonly connection: Connection
  readonly topic: Topic
  readonly codec: Codec | undefined
  readonly uncount: () => void
  /** Who it was when permission was asked for; another one is asked for again. */
  principal: Principal | undefined
  coverage: Coverage
  /** The client was told that messages arrive. */
  isConfirmed: boolean
}

/** A pattern somebody here has subscribed to. */
export interface Topic {
  readonly pattern: Pattern
  readonly seats: Set<Seat>
  readonly lease: Lease
}

/** How a message becomes an event. */
export interface Wording {
  readonly as: NatsForm | undefined
  readonly event: string
}

/** Frames one message, once for each codec. */
export class Framing {
  readonly #message: BusMessage
  readonly #wording: Wording
  #codec: Codec | undefined
  #frame: SharedFrame | undefined
  #isFramed = false

  constructor(message: BusMessage, wording: Wording) {
    this.#message = message
    this.#wording = wording
  }

  /** Undefined where the payload is not what the channel can carry. */
  frameFor(codec: Codec | undefined): SharedFrame | undefined {
    // Nearly always all have the same.
    if (!this.#isFramed || this.#codec !== codec) {
      this.#frame = this.#frameOf(codec)
      this.#codec = codec
      this.#isFramed = true
    }
    return this.#frame
  }

  #frameOf(codec: Codec | undefined): SharedFrame | undefined {
    const { subject, payload } = this.#message
    const { as, event } = this.#wording
    try {
      const data = payloadValue(payload, formFor(codec, as), codec)
      const value = codec?.notice === undefined ? data : params(subject, data)
      return eventFrame(codec, { event, value, key: subject })
    } catch {
      return undefined
    }
  }
}

function params(subject: string, data: unknown): unknown {
  if (!(data instanceof JsonText)) return { subject, data }
  return new JsonText(`{"subject":${JSON.stringify(subject)},"data":${data.text}}`)
}
