// SPDX-License-Identifier: Apache-2.0
import type { PeerCertificate } from 'node:tls'
import type { Permit } from '../admission.ts'
import type { TimerHandle } from '../bus/timer-wheel.ts'
import { type Connect, connectDefaults, type ServerInfo } from '../connect-json.ts'
import { type OperationView, Verb, type VerbCode } from '../operation.ts'
import { ConnectionPolicy } from '../policy/connection-policy.ts'
import type { Principal } from '../principal.ts'
import { WireError } from '../wire-error.ts'
import { AckLedger } from './ack-ledger.ts'
import { Answers } from './answers.ts'
import { Audit } from './audit.ts'
import type { DialledBackend } from './backend-dial.ts'
import { Closing } from './closing.ts'
import type { ConnectionOrigin } from './connection-origin.ts'
import type { Flow } from './flow.ts'
import type { ResolvedLimits } from './gateway-limits.ts'
import type { ResolvedOptions } from './gateway-options.ts'
import type { GatewayState } from './gateway-state.ts'
import { HookCalls } from './hook-calls.ts'
import type { WireHooks } from './hooks.ts'
import { InfoRelay } from './info-relay.ts'
import { payloadBound } from './info-rewrite.ts'
import type { Outlet } from './outlet.ts'
import { endDelivered, forgetRefused, recheckSubscriptions } from './subscription-end.ts'
import { type Subscription, SubscriptionTable } from './subscription-table.ts'
import type { OperationTrace } from './trace.ts'
import type { Transport } from './transport.ts'
import type { WireConnection } from './wire-connection.ts'

/** One client and its own connection to a backend, with all that is known about both. */
export class Session implements WireConnection {
  readonly id: string
  readonly gateway: GatewayState
  readonly origin: ConnectionOrigin
  readonly openedAt: number = Date.now()
  /** The same moment of the monotonic clock. */
  readonly openedMs: number = Math.floor(performance.now())
  readonly data: Map<string, unknown> = new Map()
  readonly audit: Audit = new Audit(this)
  readonly answers: Answers = new Answers(this)
  readonly hookCalls: HookCalls = new HookCalls(this)
  readonly closing: Closing = new Closing(this)
  readonly infoRelay: InfoRelay = new InfoRelay(this)
  readonly subscriptions: SubscriptionTable = new SubscriptionTable()
  readonly acks: AckLedger = new AckLedger()
  certificate: PeerCertificate | undefined
  servername: string | undefined
  principal: Principal | undefined
  /** The principal that admission has counted the connection for. */
  identifiedAs: string | undefined
  connect: Connect = connectDefaults
  info: ServerInfo | undefined
  dialled: DialledBackend | undefined
  policy: ConnectionPolicy
  client: Transport | undefined
  clientOutlet: Outlet | undefined
  clientFlow: Flow | undefined
  backendOutlet: Outlet | undefined
  backendFlow: Flow | undefined
  trace: OperationTrace | undefined
  /** Whether something of the client has passed. */
  hasPassed = false
  /** Whether a CONNECT has been accepted. */
  hasConnected = false
  wantsPassThrough = false
  isVerbose = true
  /** Whether the server was told that the client can read headers, which it is only with a CONNECT. */
  isServerTold = false
  maxPayloadBytes = -1
  /** What was decided about the whole connection, so that a message costs one comparison. */
  judgesPublish = false
  judgesSubscriptions = false
  judgesDeliveries = false
  /** Whether a message of an unknown subscription could be one that may not be delivered. */
  knowsDeliveries = false
  messagesIn = 0
  messagesOut = 0
  denied = 0
  pings = 0
  pongs = 0
  lastError: string | undefined
  #authTimer: TimerHandle | undefined
  #stuckAt = -1
  #stuckSinceMs = 0

  constructor(gateway: GatewayState, origin: ConnectionOrigin) {
    this.id = gateway.nextId()
    this.gateway = gateway
    this.origin = origin
    this.principal = origin.principal
    this.identifiedAs = origin.principal?.id
    this.policy = this.#newPolicy()
    gateway.registry.add(this)
    gateway.watch()
    gateway.counters.opened[origin.transport]++
  }

  get transport(): 'tcp' | 'ws' {
    return this.origin.transport
  }

  get ip(): string {
    return this.origin.ip
  }

  get listener(): string {
    return this.origin.listener
  }

  get request(): Request | undefined {
    return this.origin.request
  }

  get permit(): Permit {
    return this.origin.permit
  }

  get options(): ResolvedOptions {
    return this.gateway.options
  }

  get hooks(): WireHooks {
    return this.gateway.options.hooks
  }

  get limits(): ResolvedLimits {
    return this.gateway.options.limits
  }

  get backend(): Transport | undefined {
    return this.dialled?.transport
  }

  /** Whether both sides are joined. */
  get isOpen(): boolean {
    return this.clientFlow !== undefined && !this.closing.hasBegun
  }

  get isOver(): boolean {
    return this.closing.isOver
  }

  get pending(): number {
    return (this.clientFlow?.pendingOperations ?? 0) + (this.backendFlow?.pendingOperations ?? 0)
  }

  /** PINGs that reach the server before what is sent now: at most so many. */
  get pingsAhead(): number {
    return this.pings + (this.clientFlow?.pendingOperations ?? 0)
  }

  get traffic(): { readonly bytesIn: number; readonly bytesOut: number } {
    return { bytesIn: this.client?.bytesRead ?? 0, bytesOut: this.client?.bytesWritten ?? 0 }
  }

  get judgesConnect(): boolean {
    const { hooks, authenticate } = this.options
    return authenticate !== undefined || hooks.onConnect !== undefined || this.addsHeaders
  }

  /** Whether messages of this client get headers, which it may not be able to read itself. */
  get addsHeaders(): boolean {
    const { headers } = this.options.policies
    if (headers === undefined || headers.dryRun || this.info?.headers !== true) return false
    return this.isServerTold || !this.hasPassed
  }

  /** Whether deliveries lose the headers the client has not asked for. */
  get stripsDeliveries(): boolean {
    return this.addsHeaders && this.connect.headers !== true
  }

  /** Takes over options that were reloaded. */
  reloaded(): void {
    if (this.info !== undefined) this.informed(this.info)
    else this.adopt(this.principal)
    if (!this.hasPassed) this.clientFlow?.parser.setConnectRequired(this.judgesConnect)
    recheckSubscriptions(this)
  }

  /** Takes over who the client is and what it may do; each CONNECT, a reload or an operator may change it. */
  adopt(principal: Principal | undefined): void {
    this.principal = principal
    this.policy = this.#newPolicy(this.policy)
    const { hooks, authorize } = this.options
    const { policy } = this
    this.judgesPublish = policy.judgesPublish || hooks.onPublish !== undefined || authorize !== undefined
    this.judgesSubscriptions =
      policy.judgesSubscriptions ||
      hooks.onSubscribe !== undefined ||
      hooks.onUnsubscribe !== undefined ||
      authorize !== undefined
    this.gateway.tracing.update(this)
    this.knowsDeliveries = policy.permissions.length > 0 || hooks.onMessage !== undefined
    this.judgesDeliveries = hooks.onMessage !== undefined || policy.notesReplies || this.stripsDeliveries
  }

  /** Notes an accepted CONNECT, which is about to go to the server. */
  connected(connect: Connect, principal: Principal | undefined): void {
    const isFirst = !this.hasPassed
    this.hasConnected = true
    this.connect = { ...this.connect, ...connect }
    this.isVerbose = this.connect.verbose === true
    this.adopt(principal)
    const parser = this.clientFlow?.parser
    parser?.setConnectRequired(false)
    parser?.setHeaders(this.connect.headers === true && this.info?.headers === true)
    if (isFirst || this.judgesConnect) this.audit.authPassed()
  }

  /** Notes what the server says about itself. */
  informed(info: ServerInfo): void {
    this.info = info
    this.maxPayloadBytes = payloadBound(this.limits.maxPayloadBytes, info)
    this.clientFlow?.parser.setMaxPayloadBytes(this.maxPayloadBytes)
    this.adopt(this.principal)
  }

  /** Both sides are joined: the time begins in which the first operation has to pass. */
  opened(): void {
    const { transport, listener } = this
    this.#authTimer = this.gateway.wheel.schedule(this.limits.authTimeoutMs, () => {
      this.audit.authFailed('timeout')
      this.closing.fail('auth_timeout', new WireError('auth_timeout', 'no operation has passed in time'))
    })
    this.gateway.observe({ type: 'connection.opened', transport, listener, ...this.audit.subject() })
  }

  published(view: OperationView): void {
    this.messagesIn++
    if (this.options.samplePublishes > 0) this.audit.published(view)
  }

  /** Notes a command on its way to the server. */
  sendingToBackend(verb: VerbCode): void {
    if (!this.hasPassed) this.#pass()
    if (verb === Verb.PING) {
      this.pings++
      this.acks.pinged()
    } else if (this.isVerbose && verb <= Verb.CONNECT) {
      this.acks.sent()
    }
  }

  /** Sends a command in place of one that was read. */
  sendToBackend(verb: VerbCode, bytes: Uint8Array): void {
    this.sendingToBackend(verb)
    this.backendOutlet?.add(bytes)
  }

  /** Notes a delivery; false where its subscription has ended. */
  delivering(subscription: Subscription | undefined): boolean {
    if (subscription?.isEnded === true) return false
    this.messagesOut++
    if (subscription === undefined) return true
    subscription.delivered++
    if (subscription.max > 0 && subscription.delivered >= subscription.max) endDelivered(this, subscription)
    return true
  }

  /** Delivers in place of what was read. */
  deliver(verb: VerbCode, bytes: Uint8Array, subscription: Subscription): void {
    if (verb > Verb.HMSG || this.delivering(subscription)) this.sendToClient(bytes)
  }

  /** Adds to what goes to the client next, in the place of what was read. */
  sendToClient(bytes: Uint8Array): void {
    this.clientOutlet?.add(bytes)
  }

  /** Says something to the client between operations. */
  insertToClient(bytes: Uint8Array): void {
    this.clientOutlet?.insert(bytes)
  }

  /** Notes a +OK or -ERR of the server; whether the client is to see it. */
  answered(error: string | undefined): boolean {
    if (error !== undefined) {
      this.lastError = error
      forgetRefused(this.subscriptions, error)
    }
    // A pedantic client gets this one beside its +OK.
    if (!this.isVerbose || error?.toLowerCase() === 'invalid publish subject') return true
    return this.acks.seen(error !== undefined)
  }

  /** Notes a PONG of the server; whether the client is to see it. */
  ponged(): boolean {
    this.pongs++
    this.subscriptions.ponged(this.pongs)
    this.acks.ponged()
    return !this.closing.ponged()
  }

  /** Whether a delivery of this subscription may be lost here, which the server would count all the same. */
  mayDrop(subscription: Subscription): boolean {
    return subscription.isPartial || this.hooks.onMessage !== undefined
  }

  /** Resolves after that time, or never where the gateway has ended. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.gateway.wheel.schedule(ms, resolve))
  }

  backendLost(error: unknown): void {
    const backend = this.dialled?.backend.id ?? ''
    this.gateway.observe({ type: 'backend.lost', backend, error, ...this.audit.subject() })
  }

  /** Once a second: expired credentials and clients that take nothing. */
  sweep(nowMs: number, wallMs: number): void {
    if (!this.isOpen) return
    if ((this.principal?.expiresAt ?? Infinity) <= wallMs) {
      this.closing.fail('credential_expired', new WireError('auth_expired', 'the credential has expired'))
      return
    }
    const { client } = this
    if (client === undefined || client.queuedBytes <= this.limits.highWaterBytes) {
      this.#stuckAt = -1
    } else if (client.progress !== this.#stuckAt) {
      this.#stuckAt = client.progress
      this.#stuckSinceMs = nowMs
    } else if (nowMs - this.#stuckSinceMs >= this.limits.slowClientMs) {
      this.tooSlow()
    }
  }

  tooSlow(): void {
    this.closing.destroy('slow_client')
  }

  passThrough(): void {
    this.wantsPassThrough = true
    this.clientFlow?.passThroughSoon()
    this.backendFlow?.passThroughSoon()
  }

  close(text?: string): void {
    const error = new WireError('authorization', 'closed by the operator', text === undefined ? {} : { text })
    if (text === undefined) this.closing.end('kicked', error.webSocketCode)
    else this.closing.fail('kicked', error)
  }

  /** Both sides are gone: gives everything back. */
  over(): void {
    const { gateway, traffic } = this
    this.#leaveWaiting()
    this.permit.release()
    const { gone, closed } = gateway.counters
    const report = this.closing.report()
    gone.messagesIn += this.messagesIn
    gone.messagesOut += this.messagesOut
    gone.bytesIn += traffic.bytesIn
    gone.bytesOut += traffic.bytesOut
    gone.denied += this.denied
    closed[report.cause]++
    gateway.registry.delete(this)
    gateway.observe({ type: 'connection.closed', ...report, ...this.audit.subject() })
    this.hookCalls.closed(report)
  }

  #pass(): void {
    this.hasPassed = true
    this.#leaveWaiting()
  }

  #leaveWaiting(): void {
    this.origin.leaveWaiting()
    if (this.#authTimer !== undefined) this.gateway.wheel.cancel(this.#authTimer)
    this.#authTimer = undefined
  }

  #newPolicy(previous?: ConnectionPolicy): ConnectionPolicy {
    const { policies, authorize } = this.gateway.options
    const { id: connectionId, ip, principal } = this
    return new ConnectionPolicy(
      policies,
      { connectionId, ip, principal, usesPermissions: authorize === undefined },
      previous,
    )
  }
}
