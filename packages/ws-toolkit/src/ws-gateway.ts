// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, Principal } from '@nats-edge/wire-parser'
import { Hono, type Context, type Handler } from 'hono'
import { GatewayChannel, type BuiltChannel, type Channel, type FrozenChannel, type SocketLimits } from './channel.ts'
import type { ChannelOptions } from './channel-options.ts'
import { ChannelTable } from './channel-table.ts'
import { closeCode } from './close-code.ts'
import { GatewayDrain, type CloseGatewayOptions } from './drain.ts'
import type { WsEvent } from './event.ts'
import { FlushList } from './flush-list.ts'
import { channelAdmission, GatewayAdmission } from './gateway-admission.ts'
import { gatewayFamilies } from './gateway-metrics.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Goodbye, LiveConnection } from './live-connection.ts'
import { mountedPath } from './mount-path.ts'
import { resolveGatewayOptions, type GatewayOptions, type ResolvedGatewayOptions } from './options.ts'
import { ConnectionRegistry, type Registry } from './registry.ts'
import type { PlacedCircuit } from './middleware/circuit.ts'
import { LocalRooms, type Rooms } from './room.ts'
import { transportFault } from './transport-check.ts'
import { wantsWebSocket } from './upgrade/raw-request.ts'
import { problemResponse, requestIdFrom, statusOf, type UpgradeRefusal } from './upgrade/refusal.ts'
import type { SocketOptions } from './upgrade/socket-options.ts'
import { answerUpgrade } from './upgrade/upgrade-web-socket.ts'

/** One connection as operators see it. */
export interface ConnectionInfo {
  readonly id: string
  readonly surface: string
  readonly transport: 'ws'
  readonly ip: string
  readonly principalId?: string
  /** The path of its channel. */
  readonly route: string
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly queuedBytes: number
  readonly subscriptions: number
}

/** WebSocket channels, as Hono routes. */
export interface WsGateway {
  /** Mount with `app.route(path, gateway.routes)`; what is behind it is looked up for each request. */
  readonly routes: Hono
  readonly state: 'open' | 'draining' | 'closed'
  readonly registry: Registry
  readonly rooms: Rooms
  /** Adds a channel at a path in Hono's syntax. Throws TypeError once requests have come, or for a path that is taken. */
  channel<U = undefined>(path: string, options?: ChannelOptions<U>): Channel<U>
  /** Numbers for metrics; cheap and without side effects. */
  stats(): Iterable<MetricFamily>
  /** Resolves when the room bus is connected; at once without one. */
  ready(): Promise<void>
  connections(): Iterable<ConnectionInfo>
  /** Closes the selected connections with 4000 and says how many. */
  kick(select: (connection: ConnectionInfo) => boolean, reason: string): number
  /** Maps every live principal to its new state; undefined ends its connections with 4002. Returns how many ended. */
  updatePrincipals(next: (principal: Principal) => Principal | undefined): number
  /** Refuses new clients, tells those here when to come back, lets requests finish, and leaves. A second call may only shorten. */
  close(options?: CloseGatewayOptions): Promise<void>
}

/** Makes a gateway. Throws TypeError or RangeError naming the option and its value. */
export function wsGateway(options: GatewayOptions = {}): WsGateway {
  return new Gateway(resolveGatewayOptions(options))
}

class Gateway implements WsGateway {
  readonly routes: Hono = new Hono()
  readonly registry: ConnectionRegistry = new ConnectionRegistry()
  readonly rooms: LocalRooms
  readonly #options: ResolvedGatewayOptions
  readonly #admission: GatewayAdmission
  readonly #heartbeat: Heartbeat
  readonly #flushList = new FlushList()
  readonly #table = new ChannelTable<BuiltChannel>()
  readonly #channels: BuiltChannel[] = []
  readonly #drain: GatewayDrain
  #frozen: Map<BuiltChannel, FrozenChannel> | undefined

  constructor(options: ResolvedGatewayOptions) {
    this.#options = options
    this.rooms = new LocalRooms(options.roomBus, options.observe ?? unobserved)
    this.#admission = new GatewayAdmission(options)
    this.#heartbeat = new Heartbeat(this.registry)
    this.#drain = new GatewayDrain(options, {
      registry: this.registry,
      stopAdmitting: () => this.#admission.drain(),
      taken: () => this.#admission.taken,
      release: () => this.#release(),
    })
    this.routes.all('*', this.#handle)
    const { signal } = options
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get state(): 'open' | 'draining' | 'closed' {
    return this.#drain.state
  }

  channel<U = undefined>(path: string, options: ChannelOptions<U> = {}): Channel<U> {
    if (this.#frozen !== undefined) {
      throw new TypeError(`channel: ${path} comes too late; channels are added before the first request`)
    }
    const channel = new GatewayChannel(path, options, () => this.#frozen !== undefined)
    this.#table.add(path, channel)
    this.#channels.push(channel)
    return channel
  }

  stats(): Iterable<MetricFamily> {
    return gatewayFamilies({
      channels: this.#channels,
      registry: this.registry,
      rooms: this.rooms,
      circuits: this.#circuits(),
      taken: this.#admission.taken,
      free: this.#admission.free,
      bus: this.#options.roomBus,
    })
  }

  async ready(): Promise<void> {
    await this.#options.roomBus?.ready?.()
  }

  *connections(): IterableIterator<ConnectionInfo> {
    for (const connection of this.registry) yield this.#infoOf(connection)
  }

  kick(select: (connection: ConnectionInfo) => boolean, reason: string): number {
    const goodbye: Goodbye = { code: closeCode.kicked, reason, cause: 'kicked' }
    const isMeant = (connection: LiveConnection): boolean =>
      connection.state === 'open' && select(this.#infoOf(connection))
    return this.#shutWhere(isMeant, goodbye)
  }

  updatePrincipals(next: (principal: Principal) => Principal | undefined): number {
    const known = new Map<Principal, Principal | undefined>()
    const channels = new Map(this.#channels.map((channel) => [channel.path, channel]))
    const ended = this.#shutWhere(
      (connection) => {
        const { principal, path } = connection
        if (principal === undefined) return false
        if (!known.has(principal)) known.set(principal, next(principal))
        const replacement = known.get(principal)
        if (replacement === principal) return false
        if (replacement !== undefined) connection.principal = replacement
        channels.get(path)?.principalChanged(connection, principal)
        return replacement === undefined
      },
      { code: closeCode.refused, reason: 'no longer permitted', cause: 'kicked' },
    )
    for (const channel of this.#channels) {
      channel.principalsUpdated((id) => this.registry.hasPrincipal(id, channel.path))
    }
    return ended
  }

  close(options: CloseGatewayOptions = {}): Promise<void> {
    return this.#drain.close(options)
  }

  // A promise only where something has to be awaited: most handshakes are answered at once.
  readonly #handle: Handler = (c, next): Response | Promise<Response | void> => {
    if (!wantsWebSocket(c)) return next()
    this.#frozen ??= this.#freeze()
    const mounted = mountedPath(c)
    if ('code' in mounted) return this.#refuse(c, mounted)
    const found = this.#table.find(mounted.path)
    if (found === 'malformed') {
      return this.#refuse(c, { code: 'bad_request', detail: 'the path holds an escape that cannot be decoded' })
    }
    const channel = found && this.#frozen.get(found.channel)
    // At the root the path may be that of somebody else.
    if (found === undefined || channel === undefined) return next()
    c.set('routeLabel', found.channel.path)
    const { params } = found
    return answerUpgrade(c, channel.route, (context, target) => channel.enter(context, { target, params }))
  }

  #freeze(): Map<BuiltChannel, FrozenChannel> {
    const { observe } = this.#options
    const part = {
      isPlain: this.#isPlain(),
      registry: this.registry,
      heartbeat: this.#heartbeat,
      rooms: this.rooms,
      observe,
      flushList: this.#flushList,
      sendAway: (connection: LiveConnection) => this.#drain.sendAway(connection),
      socketOptions: (path: string, limits: SocketLimits) => this.#socketOptions(path, limits),
    }
    return new Map(this.#channels.map((channel) => [channel, channel.freeze(part)]))
  }

  *#circuits(): Iterable<PlacedCircuit> {
    const parts = new Set(this.#channels.flatMap((channel) => [...channel.parts()]))
    for (const part of parts) yield* part.circuits?.() ?? []
  }

  #isPlain(): boolean {
    if (this.#options.transport === 'plain') return true
    const reason = transportFault()
    if (reason !== undefined) this.#options.observe?.({ type: 'transport.fallback', reason })
    return reason !== undefined
  }

  #socketOptions(path: string, { maxConnections, ...limits }: SocketLimits): SocketOptions {
    const { surface, clientIp, principal, observe } = this.#options
    return {
      ...limits,
      surface,
      admission: channelAdmission(this.#admission, maxConnections),
      ...(clientIp && { clientIp }),
      ...(principal && { principal }),
      ...(observe && { observe: (event) => observe(withChannel(event, path)) }),
    }
  }

  readonly #onAbort = (): void => {
    void this.close({ drainMs: 0 })
  }

  async #release(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#heartbeat.stop()
    this.#flushList.close()
    this.rooms.close()
    await Promise.all(this.#channels.map((channel) => channel.close()))
    await this.#options.roomBus?.close?.()
  }

  #shutWhere(select: (connection: LiveConnection) => boolean, goodbye: Goodbye): number {
    let shut = 0
    for (const connection of this.registry) {
      // One that is leaving may still have requests: it is asked about, and leaves as it began to.
      if (!select(connection) || connection.state !== 'open') continue
      void connection.shut(goodbye)
      shut += 1
    }
    return shut
  }

  #infoOf(connection: LiveConnection): ConnectionInfo {
    const { id, ip, path, openedAt, bytesIn, bytesOut, bufferedBytes, subscriptions, principal } = connection
    return {
      id,
      surface: this.#options.surface,
      transport: 'ws',
      ip,
      route: path,
      openedAt,
      bytesIn,
      bytesOut,
      queuedBytes: bufferedBytes,
      subscriptions,
      ...(principal && { principalId: principal.id }),
    }
  }

  #refuse(c: Context, refusal: UpgradeRefusal): Response {
    const { code } = refusal
    this.#options.observe?.({ type: 'upgrade.refused', channel: '(none)', code, status: statusOf(code) })
    return problemResponse(refusal, requestIdFrom(c.get('requestId'), c.req.header('x-request-id')))
  }
}

function unobserved(): void {}

function withChannel(event: Parameters<NonNullable<SocketOptions['observe']>>[0], channel: string): WsEvent {
  return { ...event, channel }
}
