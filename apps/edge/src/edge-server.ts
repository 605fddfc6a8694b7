// SPDX-License-Identifier: Apache-2.0
import type { Bus } from '@nats-edge/wire-parser'
import { busFrom } from '@nats-edge/wire-parser/bus'
import type { NatsConnection } from '@nats-io/nats-core'
import { adminApp } from './admin.ts'
import { Broker } from './broker.ts'
import type { Mount, SurfaceListener } from './capability.ts'
import { clientAddress, socketAddress } from './client-address.ts'
import { composeApp } from './composition.ts'
import type { EdgeConfig } from './config.ts'
import { adminHostCheck, publicHostCheck, resolveAddresses } from './listener/address-rules.ts'
import type { ResolvedAddresses } from './listener/address-rules.ts'
import type { Edge } from './edge.ts'
import { EdgeTelemetry } from './edge-telemetry.ts'
import { Health } from './health.ts'
import { Listener } from './listener.ts'
import type { ListenerApp } from './listener.ts'
import { ConnectionCount } from './listener/connection-table.ts'
import { listenOn } from './listener/listen-on.ts'
import type { HostCheck } from './listener/host-check.ts'
import type { Logger } from './log.ts'
import { ServerAddress } from './nats/server-address.ts'
import { Upstream } from './nats/upstream.ts'
import { shutDown } from './shutdown.ts'
import type { SurfaceContext } from './surface/surface-context.ts'
import { configuredMounts } from './surface/surfaces.ts'

export interface EdgeServerOptions {
  readonly config: EdgeConfig
  readonly log: Logger
  readonly droppedLogLines: () => number
  readonly mounts: ((context: SurfaceContext) => readonly Mount[]) | undefined
  /** A bus of the program's own; without it the edge connects. */
  readonly bus: Bus | undefined
  readonly insecure: boolean
  /** The admin listener takes any free port when its own is taken. */
  readonly adminMayMove: boolean
  readonly onStep: (text: string) => void
}

/** The edge put together: surfaces behind one router, two listeners, one NATS connection. */
export class EdgeServer implements Edge {
  readonly config: EdgeConfig
  readonly bus: Bus
  readonly failed: Promise<Error>
  readonly #options: EdgeServerOptions
  readonly #log: Logger
  readonly #addresses: ResolvedAddresses
  readonly #abort = new AbortController()
  readonly #mounts: readonly Mount[]
  readonly #health: Health
  readonly #telemetry: EdgeTelemetry
  readonly #broker: Broker | undefined
  readonly #server: ServerAddress
  readonly #upstream = new Upstream()
  readonly #publicListener: Listener
  readonly #adminListener: Listener
  #fail: (error: Error) => void = () => {}
  #connected: (nats: Promise<NatsConnection>) => void = () => {}
  #draining = false
  #surfacesReady = false
  #ready: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** Checks everything that can be checked before anything is started; throws OptionFault or TypeError. */
  constructor(options: EdgeServerOptions) {
    const { config, log } = options
    this.config = config
    this.#options = options
    this.#log = log
    this.#addresses = resolveAddresses(config, options.insecure)
    this.failed = new Promise((resolve) => {
      this.#fail = resolve
    })
    this.bus = options.bus ?? this.#ownBus()
    this.#broker = this.#ownBroker()
    this.#server = new ServerAddress(this.#broker === undefined ? config.nats.servers : [], options.bus !== undefined)
    const addresses = clientAddress(config.listen.public)
    const count = new ConnectionCount()
    const context: SurfaceContext = {
      config,
      bus: this.bus,
      log,
      clientAddress: addresses,
      server: this.#server,
      connectionCount: count,
      insecure: options.insecure,
      fail: (error) => this.#fail(error),
    }
    this.#mounts = [...configuredMounts(context), ...(options.mounts?.(context) ?? [])]
    this.#health = new Health([
      { name: 'nats', status: () => (this.bus.state === 'connected' ? 'ok' : this.bus.state) },
      { name: 'surfaces', status: () => (this.#surfacesReady ? 'ok' : 'starting') },
      { name: 'drain', status: () => (this.#draining ? 'draining' : 'ok') },
      ...this.#mounts.flatMap((mount) => mount.checks ?? []),
    ])
    this.#telemetry = new EdgeTelemetry(config, log, (exchange) => addresses.of(exchange.incoming))
    const publicHealth = config.listen.public.health ? this.#health : undefined
    const app = composeApp({ mounts: this.#mounts, index: config.index, health: publicHealth })
    const admin = adminApp({
      health: this.#health,
      metrics: config.metrics.enabled ? () => this.#telemetry.families() : undefined,
      profiles: config.listen.admin.profiles,
      token: config.listen.admin.token,
      log,
    })
    this.#publicListener = this.#listener('public', app, count, publicHostCheck(this.#addresses))
    this.#adminListener = this.#listener('admin', admin, count, adminHostCheck(config, this.#addresses))
    this.#telemetry.addSources({
      mounts: this.#mounts,
      bus: this.bus,
      traffic: () => this.#upstream.traffic,
      listeners: [this.#publicListener, this.#adminListener],
      broker: this.#broker,
      droppedLogLines: options.droppedLogLines,
    })
  }

  get url(): string {
    return this.#publicListener.url
  }

  get adminUrl(): string {
    return this.#adminListener.url
  }

  /** The broker in use, once there is one. */
  get natsUrl(): string | undefined {
    return this.#upstream.current?.getServer()
  }

  get wireUrl(): string | undefined {
    return this.listeners.find(({ name }) => name === 'wire')?.url
  }

  /** The listeners that surfaces brought along. */
  get listeners(): readonly SurfaceListener[] {
    return this.#mounts.flatMap((mount) => mount.listeners ?? [])
  }

  /** What an operator wants to see of a running process. */
  state(): Readonly<Record<string, unknown>> {
    const { rss, heapUsed } = process.memoryUsage()
    return {
      uptimeSeconds: Math.round(process.uptime()),
      rss,
      heapUsed,
      health: this.#health.ready().checks,
      nats: { state: this.bus.state, epoch: this.bus.epoch, pendingBytes: this.bus.pendingBytes },
      listeners: [
        ...[this.#publicListener, this.#adminListener].map((each) => ({
          name: each.name,
          url: each.url,
          connections: each.openConnections,
          inFlight: each.inFlight,
        })),
        ...this.listeners.map((each) => ({ name: each.name, url: each.url, connections: each.openConnections })),
      ],
    }
  }

  /** Listens, then brings NATS up in the background. */
  async start(): Promise<void> {
    try {
      const admin = this.#adminListener
      const move = this.#options.adminMayMove ? () => admin.listen({ ...admin.address, port: 0 }) : undefined
      await listenOn(admin, 'listen.admin.address', move)
      await listenOn(this.#publicListener, 'listen.public.address')
      for (const listener of this.listeners) await listenOn(listener, listener.key)
    } catch (error) {
      await this.close({ delayMs: 0, graceMs: 0 })
      throw error
    }
    const own = Object.fromEntries(this.listeners.map(({ name, url }) => [name, url]))
    this.#log.info({ public: this.url, admin: this.adminUrl, ...own }, 'listening')
    this.bus.onStatus((status) => this.#onBusStatus(status.type))
    if (this.#options.bus === undefined) this.#connected(this.#connect())
    // ready() is for whoever asks; a failure is told by `failed` as well.
    this.ready().catch(() => {})
  }

  ready(): Promise<void> {
    this.#ready ??= this.#becomeReady()
    return this.#ready
  }

  close(options: { readonly delayMs?: number; readonly graceMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options)
    return this.#closed
  }

  /** Ends what would outlive a process that cannot wait. */
  async abandon(): Promise<void> {
    this.#abort.abort()
    await this.#broker?.stop()
  }

  #ownBus(): Bus {
    const connection = new Promise<NatsConnection>((resolve) => {
      this.#connected = resolve
    })
    return busFrom(connection, {
      maxPendingBytes: this.config.nats.pendingMax,
      onLameDuck: (leaving) => this.#upstream.leave(leaving),
    })
  }

  #ownBroker(): Broker | undefined {
    const { config, bus, onStep } = this.#options
    if (!config.embedded.enabled || bus !== undefined) return undefined
    return new Broker({ config: config.embedded, log: this.#log, onStep, signal: this.#abort.signal })
  }

  #listener(name: string, app: ListenerApp, count: ConnectionCount, hostCheck: HostCheck): Listener {
    return new Listener({
      name,
      app,
      count,
      hostCheck,
      isReserved: name === 'admin',
      address: name === 'admin' ? this.#addresses.admin : this.#addresses.public,
      limits: this.config.limits,
      clientAddress: name === 'admin' ? socketAddress : clientAddress(this.config.listen.public),
      onEnd: (exchange, status) => this.#telemetry.ended(exchange, status),
      onMalformed: (status) => this.#telemetry.malformed(status),
      onFailure: (exchange, error) => {
        const { requestId, surface, route } = exchange
        this.#log.error({ err: error, requestId, surface, route }, 'a handler threw')
      },
    })
  }

  async #connect(): Promise<NatsConnection> {
    const { config } = this
    try {
      const servers = this.#broker === undefined ? config.nats.servers : [await this.#broker.start()]
      if (this.#broker !== undefined && servers[0] !== undefined) this.#server.started(servers[0])
      // The embedded broker knows no users.
      const own = this.#broker === undefined ? config.nats : { ...config.nats, credentials: undefined, tls: undefined }
      return await this.#upstream.connect({ servers, config: own, log: this.#log, signal: this.#abort.signal })
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      if (!this.#abort.signal.aborted) this.#fail(failure)
      throw failure
    }
  }

  async #becomeReady(): Promise<void> {
    await Promise.all(this.#mounts.map((mount) => mount.capability.ready?.() ?? Promise.resolve()))
    this.#surfacesReady = true
    this.#log.info({ nats: this.natsUrl, version: this.bus.info?.serverVersion }, 'ready')
  }

  #onBusStatus(type: string): void {
    if (type === 'connected') {
      this.#log.info({ epoch: this.bus.epoch }, 'connected to NATS')
      const nats = this.#upstream.current
      if (nats !== undefined) this.#server.connected(nats.getServer(), nats.info?.auth_required === true)
    }
    if (type !== 'disconnected' || this.#draining) return
    this.#log.warn('lost the connection to NATS')
    if (this.config.nats.exitOnNatsLoss) this.#fail(new Error('lost the connection to NATS (nats.exitOnNatsLoss)'))
  }

  async #close(options: { readonly delayMs?: number; readonly graceMs?: number }): Promise<void> {
    this.#draining = true
    const { delay, grace } = this.config.shutdown
    await shutDown(
      {
        publicListener: this.#publicListener,
        mounts: this.#mounts,
        closeNats: (timeoutMs) => this.#closeNats(timeoutMs),
        adminListener: this.#adminListener,
        log: this.#log,
      },
      { delayMs: options.delayMs ?? delay, graceMs: options.graceMs ?? grace },
    )
    this.#telemetry.close()
  }

  async #closeNats(timeoutMs: number): Promise<void> {
    this.#abort.abort()
    await this.#upstream.close(timeoutMs, this.bus.state === 'connected')
    await this.#broker?.stop()
  }
}
