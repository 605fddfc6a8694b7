// SPDX-License-Identifier: Apache-2.0
import type { Msg } from '@nats-io/nats-core'
import { blockStatus, HeaderBlock } from '../headers.ts'
import type { BusMessage } from '../message-bus.ts'
import { parseSubject, type Subject } from '../subject.ts'
import { incomingHeaders } from './client-headers.ts'

// A reply subject was accepted by the server, whose line of 4,096 bytes is its only limit; it still must be a subject.
const replyLimits = { maxBytes: 4096, maxTokens: 2048, embeddedWildcards: true } as const

/** The one message object of a bus, shown to callback after callback; nothing is decoded before it is asked for. */
export class MessageView implements BusMessage {
  readonly kind = 'message'
  #message: Msg | undefined
  #headers: HeaderBlock | undefined

  /** Points the view at `message` until the next call; undefined: at nothing. */
  show(message: Msg | undefined): void {
    this.#message = message
    this.#headers = undefined
  }

  get subject(): string {
    return this.#shown().subject
  }

  get reply(): Subject | undefined {
    const reply = this.#shown().reply
    return reply === undefined || reply === '' ? undefined : parseSubject(reply, replyLimits)
  }

  get headers(): HeaderBlock | undefined {
    if (this.#headers === undefined) {
      const bytes = incomingHeaders(this.#shown())
      if (bytes !== undefined) this.#headers = HeaderBlock.fromBytes(bytes)
    }
    return this.#headers
  }

  get payload(): Uint8Array {
    return this.#shown().data
  }

  copy(): BusMessage {
    return new KeptMessage(this)
  }

  #shown(): Msg {
    if (this.#message === undefined) {
      throw new TypeError('a BusMessage is valid during its callback only: keep what message.copy() gives')
    }
    return this.#message
  }
}

class KeptMessage implements BusMessage {
  readonly kind = 'message'
  readonly subject: string
  readonly reply: Subject | undefined
  readonly headers: HeaderBlock | undefined
  readonly payload: Uint8Array

  constructor(message: BusMessage) {
    this.subject = message.subject
    this.reply = message.reply
    this.headers = message.headers && HeaderBlock.fromBytes(new Uint8Array(message.headers.bytes))
    this.payload = new Uint8Array(message.payload)
  }

  copy(): BusMessage {
    return this
  }
}

/** Whether this is the server's word that nobody listens: no payload and the status 503. */
export function isNoResponders(message: Msg): boolean {
  const headers = incomingHeaders(message)
  return headers !== undefined && message.data.length === 0 && blockStatus(headers) === 503
}
