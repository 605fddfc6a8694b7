// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import type { Msg, NatsConnection, Status } from '@nats-io/nats-core'
import { BusError } from '../bus-error.ts'
import type { HeaderBlock } from '../headers.ts'
import type {
  Bus,
  BusInfo,
  BusMessage,
  BusStatus,
  Pending,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
} from '../message-bus.ts'
import type { Pattern } from '../pattern.ts'
import { parseSubject, type Subject } from '../subject.ts'
import { BusSubscription } from './bus-subscription.ts'
import { fromClientError, isConnected, refusedPublish } from './client-state.ts'
import type { Departure, OnLameDuck } from './leaving.ts'
import { Link } from './link.ts'
import { LiveInfo } from './live-info.ts'
import { MessageView } from './message-view.ts'
import { RequestBatch, type BatchedRequest } from './request-batch.ts'
import type { OnReply } from './slot-table.ts'
import { StatusListeners } from './status-listeners.ts'
import { WriteWindow } from './write-window.ts'

// The control line around the subject: verb, reply subject, sizes, line ends.
const LINE_BYTES = 64

// How long subscriptions may take from one server to the next one before they are cut over all the same.
const MOVE_MS = 1000

/** What a bus over a connection is told about itself, already checked. */
export interface ConnectionBusOptions {
  readonly inboxPrefix: (nats: NatsConnection) => string
  readonly maxPendingBytes: number
  readonly onLameDuck: OnLameDuck | undefined
}

/** The Bus over a connection of the official client; it never closes that connection. */
export class ConnectionBus implements Bus {
  readonly #options: ConnectionBusOptions
  readonly #window: WriteWindow
  readonly #info: LiveInfo
  readonly #listeners: StatusListeners
  readonly #subscriptions = new Set<BusSubscription>()
  readonly #view = new MessageView()
  readonly #plain = { reply: '' }
  readonly #batch = new RequestBatch((request) => this.#sendRequest(request))
  #state: Bus['state'] = 'disconnected'
  #epoch = 0
  #link: Link | undefined
  #cause: unknown

  constructor(options: ConnectionBusOptions) {
    this.#options = options
    this.#window = new WriteWindow(options.maxPendingBytes, {
      roundTrip: () => {
        this.#batch.flush()
        return this.#link?.nats.flush() ?? Promise.reject(new TypeError('no connection'))
      },
      writable: () => this.#listeners.tell({ type: 'writable' }),
    })
    this.#info = new LiveInfo(() => {
      // While connecting, what is new is told by `connected`.
      if (this.#state === 'connected') this.#listeners.tell({ type: 'info' })
    })
    this.#listeners = new StatusListeners((anybody) => this.#info.watch(anybody))
  }

  get state(): Bus['state'] {
    return this.#state
  }

  get epoch(): number {
    return this.#epoch
  }

  get pendingBytes(): number {
    return this.#window.pendingBytes
  }

  get info(): BusInfo | undefined {
    return this.#info.read()
  }

  inbox(): Subject {
    const prefix = this.#link?.prefix
    const inbox = prefix === undefined ? undefined : parseSubject(`${prefix}.${randomToken()}`)
    if (inbox === undefined) throw this.#unavailable()
    return inbox
  }

  publish(subject: Subject, payload: Uint8Array, options?: PublishOptions): void {
    const headers = options?.headers
    const link = this.#ready()
    const bytes = this.#admit(subject, payload, headers)
    this.#batch.flush()
    this.#send(link, subject, payload, options?.reply ?? '', headers)
    this.#window.accept(bytes)
  }

  request(subject: Subject, payload: Uint8Array, onReply: OnReply, options: RequestOptions): Pending {
    const { timeoutMs, headers } = options
    if (!(timeoutMs > 0 && timeoutMs < Infinity)) throw new RangeError(`timeoutMs: ${timeoutMs} is not a time to wait`)
    const link = this.#ready()
    const bytes = this.#admit(subject, payload, headers)
    const inbox = link.inbox
    this.#open(link)
    const slot = inbox.add(subject, onReply, this.#window.mark + bytes)
    this.#batch.add({ slot, generation: inbox.generation(slot), subject, payload, headers }, bytes)
    this.#window.accept(bytes)
    return inbox.wait(slot, timeoutMs)
  }

  subscribe(pattern: Pattern, onMessage: (message: BusMessage) => void, options?: SubscribeOptions): Subscription {
    if (this.#state === 'closed') throw this.#unavailable()
    const subscription = new BusSubscription(pattern, onMessage, options, this)
    this.#start(subscription)
    this.#subscriptions.add(subscription)
    return subscription
  }

  async flush(): Promise<void> {
    const link = this.#state === 'connected' ? this.#link : undefined
    if (link === undefined) throw this.#unavailable()
    const mark = this.#window.mark
    this.#batch.flush()
    await link.flush((cause) => new BusError('disconnected', 'the NATS connection is lost', { cause }))
    this.#window.confirm(mark)
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener)
  }

  /** Gives the bus its connection, once. */
  attach(nats: NatsConnection): void {
    if (nats.isClosed()) return this.close()
    this.#link = this.#newLink(nats)
    for (const subscription of this.#subscriptions) this.#start(subscription)
    if (isConnected(nats)) this.#connected(nats)
  }

  /** There is no connection and there will be none. */
  close(cause?: unknown): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#cause = cause
    this.#lost(this.#unavailable())
    for (const subscription of this.#subscriptions) subscription.end(this.#unavailable())
  }

  /** Of a subscription: hands one message to its callback. */
  deliver(message: Msg, onMessage: (message: BusMessage) => void): void {
    this.#view.show(message)
    try {
      onMessage(this.#view)
    } catch (error) {
      this.#listeners.tell({ type: 'failed', error })
    }
    this.#view.show(undefined)
  }

  /** Of a subscription: it is about to send an UNSUB, which must not overtake a request. */
  sending(): void {
    this.#batch.flush()
  }

  /** Of a subscription: it is over; with an error unless by its own `unsubscribe()`. */
  ended(subscription: BusSubscription, error?: BusError): void {
    this.#subscriptions.delete(subscription)
    if (error === undefined) return
    try {
      if (subscription.onEnd !== undefined) subscription.onEnd(error)
      else if (error.code === 'forbidden') this.#listeners.tell({ type: 'failed', error })
    } catch (thrown) {
      this.#listeners.tell({ type: 'failed', error: thrown })
    }
  }

  #ready(): Link {
    if (this.#state !== 'connected' || this.#link === undefined) throw this.#unavailable()
    return this.#link
  }

  #admit(subject: string, payload: Uint8Array, headers: HeaderBlock | undefined): number {
    const info = this.#info.read()
    const bytes = payload.length + (headers === undefined ? 0 : headers.bytes.length)
    if (info !== undefined && bytes > info.maxPayloadBytes) {
      throw new BusError('body_too_large', `${bytes} bytes, and the NATS server takes ${info.maxPayloadBytes}`)
    }
    if (headers !== undefined && info?.headers === false) {
      throw new BusError('unsupported', 'the NATS server has headers switched off')
    }
    const total = bytes + subject.length + LINE_BYTES
    if (this.#window.admits(total)) return total
    throw new BusError('overloaded', `${this.pendingBytes} bytes wait for the NATS server: go on at status writable`)
  }

  #send(link: Link, subject: string, payload: Uint8Array, reply: string, headers: HeaderBlock | undefined): void {
    const plain = this.#plain
    plain.reply = reply
    const options = headers === undefined ? plain : { reply, headers: link.carry(headers) }
    try {
      link.nats.publish(subject, payload, options)
    } catch (error) {
      throw fromClientError(error)
    }
  }

  #open(link: Link): void {
    if (link.nats.isDraining()) throw new BusError('closed', 'the NATS connection is being drained')
    try {
      link.inbox.open(link.nats)
    } catch (error) {
      throw fromClientError(error)
    }
  }

  // Permissions, draining and closing of the connection can refuse a request after it was accepted.
  #sendRequest(request: BatchedRequest): void {
    const { slot, generation, subject, payload, headers } = request
    const link = this.#link
    if (link === undefined || !link.inbox.holds(slot, generation)) return
    try {
      this.#send(link, subject, payload, link.inbox.replySubject(slot), headers)
    } catch (error) {
      const cause = fromClientError(error)
      const refusal = cause instanceof BusError ? cause : new BusError('closed', 'could not be sent', { cause })
      // Not before request() has returned, nor before the requests behind this one have left.
      queueMicrotask(() => link.inbox.refuse(slot, generation, refusal))
    }
  }

  #start(subscription: BusSubscription): void {
    if (this.#link === undefined) return
    this.#batch.flush()
    try {
      subscription.start(this.#link.nats)
    } catch (error) {
      throw fromClientError(error)
    }
  }

  #newLink(nats: NatsConnection): Link {
    const link = new Link(nats, this.#options.inboxPrefix(nats), randomToken(), {
      confirm: (mark) => this.#window.confirm(mark),
      failed: (error) => this.#listeners.tell({ type: 'failed', error }),
    })
    this.#watch(link).catch((cause: unknown) => {
      if (link === this.#link) this.close(cause)
    })
    return link
  }

  async #watch(link: Link): Promise<void> {
    for await (const status of link.nats.status()) {
      if (link === this.#link) this.#onClientStatus(link, status)
      else this.#onStatusBehind(link, status)
    }
    const cause = await link.nats.closed()
    if (link === this.#link) this.close(cause)
  }

  #onClientStatus(link: Link, status: Status): void {
    switch (status.type) {
      case 'disconnect':
      case 'reconnecting':
      case 'staleConnection':
      case 'forceReconnect':
        return this.#disconnected()
      case 'reconnect':
        if (this.#state === 'disconnected') this.#connected(link.nats)
        return
      case 'close':
        return this.close()
      case 'error':
        return this.#refused(link, status.error)
      case 'ldm':
        return this.#leave(link)
      default:
        this.#info.read()
    }
  }

  // Of a connection that was left, while the last answers come.
  #onStatusBehind(link: Link, status: Status): void {
    switch (status.type) {
      case 'disconnect':
      case 'reconnecting':
      case 'staleConnection':
      case 'forceReconnect':
      case 'close':
        return link.fail(new BusError('disconnected', 'the NATS connection is lost'))
      case 'error':
        return this.#refused(link, status.error)
      default:
    }
  }

  #leave(link: Link): void {
    const { onLameDuck } = this.#options
    const departure = onLameDuck === undefined ? undefined : link.depart()
    if (onLameDuck === undefined || departure === undefined) return
    onLameDuck(departure)
      .then((nats) => this.#moveTo(nats, link, departure))
      .catch((error: unknown) => {
        link.departed()
        if (!departure.signal.aborted) this.#listeners.tell({ type: 'failed', error })
      })
  }

  // What was asked on the old connection is answered there; everything from now on goes by the new one.
  async #moveTo(nats: NatsConnection, from: Link, departure: Departure): Promise<void> {
    if (this.#state === 'closed' || nats.isClosed()) return departure.finish()
    from.departed()
    this.#batch.flush()
    this.#window.reset()
    this.#link = this.#newLink(nats)
    const cuts = Array.from(this.#subscriptions, (subscription) => subscription.move(nats))
    if (isConnected(nats)) this.#connected(nats)
    else this.#disconnected()
    const { lost } = from
    const reached = Promise.allSettled([nats.flush(), from.nats.flush()])
    await Promise.race([reached, lost, new Promise((resolve) => setTimeout(resolve, MOVE_MS).unref())])
    await Promise.all(cuts.map((cut) => cut(lost)))
    await from.idle()
    departure.finish()
  }

  #connected(nats: NatsConnection): void {
    this.#info.follow(nats)
    this.#state = 'connected'
    this.#epoch++
    this.#listeners.tell({ type: 'connected', epoch: this.#epoch })
    this.#window.reopen()
  }

  #disconnected(): void {
    if (this.#state !== 'connected') return
    this.#state = 'disconnected'
    this.#lost(this.#unavailable())
  }

  // State before listeners before requests: whoever is told sees the state and can send nothing into the void.
  #lost(error: BusError): void {
    this.#window.reset()
    this.#batch.clear()
    this.#listeners.tell({ type: this.#state === 'closed' ? 'closed' : 'disconnected' })
    this.#link?.fail(error)
  }

  #refused(link: Link, cause: Error): void {
    const subject = refusedPublish(cause)
    if (subject === undefined) return
    link.inbox.fail(new BusError('forbidden', `not allowed to publish on ${subject}`, { cause }), subject)
  }

  #unavailable(): BusError {
    const options = this.#cause === undefined ? {} : { cause: this.#cause }
    if (this.#state === 'closed') return new BusError('closed', 'the NATS connection is closed', options)
    return new BusError('disconnected', 'there is no connection to NATS at the moment')
  }
}

/** 128 random bits as one token of 22 characters. */
function randomToken(): string {
  return randomBytes(16).toString('base64url')
}
