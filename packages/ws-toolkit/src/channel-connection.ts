// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { Principal } from '@nats-edge/wire-parser'
import { Backlog } from './backlog.ts'
import type { ChannelRuntime } from './channel-runtime.ts'
import { closeCode, type CloseHint, type CloseInfo } from './close-code.ts'
import type { RequestId } from './codec/codec.ts'
import { connectionId } from './connection-id.ts'
import { ConnectionCalls, tell } from './connection-calls.ts'
import { ConnectionLife, type Vitals } from './connection-life.ts'
import { closeFlooding, countWithinLimit, exceed, joinWithinLimit } from './connection-limits.ts'
import { carryOut, countRoundTrip } from './connection-visit.ts'
import { wrapConnection } from './connection-wrap.ts'
import type {
  CallOptions,
  CloseFunction,
  CloseOptions,
  Connection,
  ConnectionState,
  Message,
  SendFunction,
  SendOptions,
} from './connection.ts'
import { Departure, type Departing } from './departure.ts'
import type { HookName } from './event.ts'
import { frameOf, type Frame, type Outgoing } from './frame.ts'
import type { Goodbye, LiveConnection } from './live-connection.ts'
import { Intake, type IntakeOwner } from './intake.ts'
import { MessagePull } from './message-pull.ts'
import { SendQueue } from './outbox.ts'
import type { RequestQueue } from './request-queue.ts'
import type { Joined, Member } from './room.ts'
import type { RouteSocket } from './upgrade/route-socket.ts'
import { sendAndWait } from './sent-message.ts'
import { Wire } from './wire.ts'
import { WsError } from './ws-error.ts'

/** What the handshake found out about a client. */
export interface Introduction<U> {
  readonly params: Readonly<Record<string, string>>
  readonly ip: string
  readonly principal: Principal | undefined
  readonly data: U
  /** Of the span of the upgrade. */
  readonly traceparent?: string | undefined
}

const noTags: ReadonlySet<string> = new Set()

/** One client of a channel. */
export class ChannelConnection<U> implements Connection<U>, LiveConnection, Member, IntakeOwner, Vitals, Departing {
  readonly id: string = connectionId()
  readonly params: Readonly<Record<string, string>>
  readonly ip: string
  readonly traceparent: string | undefined
  readonly openedAt: number = Date.now()
  /** The same moment of the monotonic clock. */
  readonly openedMs: number = Math.floor(performance.now())
  data: U
  readonly runtime: ChannelRuntime<U>
  readonly outbox: SendQueue
  /** The requests under way, of our own dispatcher. */
  requests: RequestQueue<U> | undefined = undefined
  bytesIn = 0
  messagesIn = 0
  messagesOut = 0
  subscriptions = 0
  readonly #ws: RouteSocket
  readonly #socket: Duplex & { readonly bytesRead?: number }
  readonly #life: ConnectionLife
  #principal: Principal | undefined
  /** Made when its client first says something. */
  #intake: Intake | undefined
  /** Made when it begins. */
  #departure: Departure | undefined
  /** Made when its client falls behind. */
  #backlog: Backlog<U> | undefined
  #controller: AbortController | undefined
  #tags: Set<string> | undefined
  #rooms: Set<string> | undefined
  #calls: ConnectionCalls | undefined
  #pull: MessagePull | undefined

  constructor(
    runtime: ChannelRuntime<U>,
    { ws, socket }: { readonly ws: RouteSocket; readonly socket: Duplex },
    introduction: Introduction<U>,
  ) {
    const { options, flushList } = runtime
    this.runtime = runtime
    this.params = introduction.params
    this.ip = introduction.ip
    this.traceparent = introduction.traceparent
    this.data = introduction.data
    this.#principal = introduction.principal
    this.#ws = ws
    this.#socket = socket
    this.#life = new ConnectionLife(options, performance.now())
    const wire = new Wire(ws, socket, { isPlain: runtime.isPlain, compression: options.compression })
    this.outbox = new SendQueue(wire, options, flushList, this)
  }

  get intake(): Intake {
    this.#intake ??= new Intake(this.#ws, this.runtime.options, this)
    return this.#intake
  }

  get backlog(): Backlog<U> {
    this.#backlog ??= new Backlog(this)
    return this.#backlog
  }

  get path(): string {
    return this.runtime.path
  }

  get protocol(): string {
    return this.#ws.protocol
  }

  get state(): ConnectionState {
    return this.#departure?.state ?? 'open'
  }

  get tags(): ReadonlySet<string> {
    return this.#tags ?? noTags
  }

  get rooms(): Set<string> {
    this.#rooms ??= new Set()
    return this.#rooms
  }

  get principal(): Principal | undefined {
    return this.#principal
  }

  set principal(principal: Principal | undefined) {
    const { registry } = this.runtime
    const isListed = registry.get(this.id) !== undefined
    if (isListed) registry.deletePrincipal(this)
    this.#principal = principal
    if (isListed) registry.addPrincipal(this)
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.state === 'closed') this.#controller.abort(new WsError('closed'))
    }
    return this.#controller.signal
  }

  get bufferedBytes(): number {
    return this.outbox.bufferedBytes
  }

  get bytesOut(): number {
    return this.outbox.acceptedBytes
  }

  get bytesRead(): number {
    return this.#socket.bytesRead ?? this.bytesIn
  }

  get activity(): number {
    return this.messagesIn + this.messagesOut
  }

  get waiting(): number {
    return this.#intake?.waiting ?? 0
  }

  get canNotify(): boolean {
    return this.runtime.codec?.notice !== undefined
  }

  get isPaused(): boolean {
    return this.#intake?.isPaused ?? false
  }

  get progress(): number {
    return this.outbox.progress
  }

  send(message: Outgoing, options?: SendOptions): boolean {
    if (options === undefined) return this.push(frameOf(message))
    return this.push(frameOf(message, options.binary, { key: options.key, compress: options.compress }))
  }

  sent(message: Outgoing, options: SendOptions = {}): Promise<void> {
    return sendAndWait(this, message, options)
  }

  /** Queues a frame that is made already. */
  push(frame: Frame): boolean {
    if (!this.outbox.push(frame)) return false
    this.messagesOut += 1
    return true
  }

  drained(): Promise<void> {
    return this.outbox.drained() ?? Promise.resolve()
  }

  request(method: string, params?: unknown, options: CallOptions = {}): Promise<unknown> {
    this.#calls ??= new ConnectionCalls()
    return this.#calls.ask(this, { method, params }, options)
  }

  /** Takes the client's answer to `request()`; false when nobody waits for it. */
  answered(id: RequestId, result: unknown, error: WsError | undefined): boolean {
    return this.#calls?.settle(id, result, error) ?? false
  }

  /** Whether its client was ever asked that, be it too late by now. */
  hasAsked(id: RequestId): boolean {
    return this.#calls?.hasAsked(id) ?? false
  }

  notify(method: string, params?: unknown, options?: SendOptions): boolean {
    return tell(this, { method, params }, options)
  }

  messages(): AsyncIterableIterator<Message> {
    if (this.#pull !== undefined)
      throw new TypeError('messages(): somebody takes the messages of this connection already')
    const pull = new MessagePull(this, () => (this.#pull = undefined))
    this.#pull = pull
    if (this.state === 'closed') pull.end()
    return pull
  }

  pause(): void {
    this.intake.hold()
  }

  resume(): void {
    this.intake.release()
  }

  close(
    code: number = closeCode.normal,
    reason: string | CloseHint = '',
    options: CloseOptions = {},
  ): Promise<CloseInfo> {
    return this.shut({ code, reason, cause: 'other' }, options)
  }

  shut(goodbye: Goodbye, { wait }: CloseOptions = {}): Promise<CloseInfo> {
    return this.#depart().begin(goodbye, wait)
  }

  get isBusy(): boolean {
    return this.requests?.isBusy ?? false
  }

  get closeTimeoutMs(): number {
    return this.runtime.options.closeTimeoutMs
  }

  whenIdle(idle: () => void): void {
    this.requests?.whenIdle(idle)
  }

  lastWords({ cause }: Goodbye): Promise<void> {
    try {
      this.runtime.dispatcher.closing?.(this, cause)
    } catch (error) {
      this.failed('dispatcher', error)
    }
    this.outbox.end()
    this.intake.end()
    // Nobody waits for a client that takes nothing: the close frame stands behind what its socket has.
    if (cause === 'slow') this.outbox.flushAll()
    return this.outbox.emptied()
  }

  sendClose(code: number, reason: string): void {
    this.#ws.close(code, reason)
  }

  terminate(): void {
    if (this.state === 'closed') return
    this.#depart().cut()
    this.outbox.flushAll()
    this.#ws.terminate()
  }

  tag(...tags: string[]): void {
    if (this.state === 'closed') return
    this.#tags ??= new Set()
    for (const tag of tags) {
      this.#tags.add(tag)
      this.runtime.registry.addTag(this, tag)
    }
  }

  untag(...tags: string[]): void {
    for (const tag of tags) {
      if (this.#tags?.delete(tag) === true) this.runtime.registry.deleteTag(this, tag)
    }
  }

  join(room: string, options: { readonly rewind?: number } = {}): Promise<Joined> {
    return joinWithinLimit(this, room, options.rewind ?? 0)
  }

  leave(room: string): void {
    this.runtime.rooms.leave(this, room)
  }

  countSubscription(): () => void {
    return countWithinLimit(this)
  }

  wrap(over: { readonly send?: SendFunction; readonly close?: CloseFunction }): Connection<U> {
    return wrapConnection(this, over)
  }

  /** A message has come. */
  received(bytes: Buffer, binary: boolean): void {
    this.messagesIn += 1
    this.bytesIn += bytes.length
    this.intake.receive(bytes, binary)
  }

  deliver(bytes: Buffer, binary: boolean): void {
    const { dispatcher } = this.runtime
    try {
      if (this.#pull !== undefined) this.#pull.push(bytes, binary)
      else if (this.state === 'open') dispatcher.message(this, bytes, binary)
      else dispatcher.refuse?.(this, { bytes, binary }, new WsError('draining'))
    } catch (error) {
      this.broken(error)
    }
  }

  exceeded(limit: 'messages' | 'bytes', waitMs: number, message: { bytes: Buffer; binary: boolean } | undefined): void {
    exceed(this, limit, waitMs, message)
  }

  flooded(): void {
    closeFlooding(this)
  }

  /** The close frame is about to be written: everything that waits goes first. */
  beforeClose(code: number | undefined): void {
    this.#depart().closing(code)
    this.outbox.flushAll()
    this.outbox.end()
  }

  /** The visit of the heartbeat. */
  visit(nowMs: number, wallMs: number): void {
    if (this.state !== 'open') return
    const isExpired = wallMs >= (this.#principal?.expiresAt ?? Infinity)
    const verdict = isExpired ? 'credential' : this.#life.visit(this, nowMs)
    if (verdict === 'ping') this.#ws.ping(String(Math.floor(nowMs)))
    else if (verdict !== undefined) carryOut(verdict, this, this.#life.silentMs(nowMs))
  }

  /** A ping has come, which `ws` answers. */
  pinged(): void {
    this.intake.control()
  }

  /** A pong has come. */
  ponged(payload: Buffer): void {
    if (!countRoundTrip(this, this.#life, payload)) this.intake.control()
  }

  /** The dispatcher has thrown: nobody knows in what state it has left this connection. */
  broken(error: unknown): void {
    this.failed('dispatcher', error)
    if (this.state === 'open') void this.close(closeCode.internalError)
  }

  failed(handler: HookName, error: unknown): void {
    this.runtime.counters.failures += 1
    this.runtime.observe?.({ type: 'handler.failed', channel: this.path, handler, error })
  }

  /** The socket is gone. */
  gone(code: number, reason: string): void {
    const info = this.#depart().end(code, reason)
    this.intake.end()
    this.outbox.fail()
    for (const room of this.#rooms ?? []) this.runtime.rooms.leave(this, room)
    this.#calls?.fail()
    this.#pull?.end()
    this.#pull = undefined
    this.requests?.abort()
    this.#controller?.abort(new WsError('closed'))
    this.runtime.gone(this, info)
  }

  #depart(): Departure {
    this.#departure ??= new Departure(this)
    return this.#departure
  }
}
