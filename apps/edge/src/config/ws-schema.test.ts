// SPDX-License-Identifier: Apache-2.0
import type {
  BasicAuthOptions,
  BearerOptions,
  BreakerOptions,
  CacheOptions,
  ChannelOptions,
  CompressionOptions,
  EjectOptions,
  ExponentialOptions,
  GatewayOptions,
  HttpBackendOptions,
  HttpPoolOptions,
  JsonCodecOptions,
  JsonRpcOptions,
  LoadBalancerOptions,
  ProbeOptions,
  RateLimitOptions,
  RetryOptions,
  TargetOptions,
  ThrottleOptions,
  WsBackendOptions,
} from '@nats-edge/ws-toolkit'
import type {
  NatsPublishOptions,
  NatsQueueOptions,
  NatsRequestOptions,
  NatsRoomBusOptions,
  NatsSubscribeOptions,
} from '@nats-edge/ws-toolkit/nats'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { ConfigError } from './diagnostic.ts'
import { loadConfig, parseConfig } from '../config.ts'
import { keysAt } from './json-schema.ts'
import type { ChannelProgramOption, GatewayProgramOption } from './ws-schema.ts'

/** What has no key, each for its reason. */
type Excluded =
  // Functions of a program: a file has templates, or the edge's own, in their place.
  | 'authorize' // the principal's permissions decide
  | 'payload' // the message is the payload
  | 'request' // http: the URL, method and message; ws: the message as it came
  | 'accept' // 2xx
  | 'map' // `as`
  | 'onPush' // dropped, and counted
  | 'dial' // the socket of ws
  | 'retryIf' // what the service did wrong
  | 'failureIf' // what the service did wrong
  | 'verify' // hashes in the file
  | 'dispatcher' // the pool of the package
  | 'store' // the buckets of the process
  | 'check' // a path that is asked
  | 'handler' // the service itself

/** Every option of a type by its key; a new one does not compile until it is listed, and fails until it has a key. */
type KeysOf<T, More extends PropertyKey = never> = Record<Exclude<keyof T, Excluded | More>, string>

const gateway: KeysOf<GatewayOptions, GatewayProgramOption> = {
  maxConnections: 'maxConnections',
  maxConnectionsPerIp: 'maxConnectionsPerIp',
  maxConnectionsPerPrincipal: 'maxConnectionsPerPrincipal',
  maxUpgradesPerSecond: 'maxUpgradesPerSecond',
  transport: 'transport',
  drainMs: 'drain',
  spreadMs: 'spread',
  retryAfterMs: 'retryAfter',
}
const rooms: KeysOf<NatsRoomBusOptions> = { prefix: 'prefix', history: 'history' }
const history: KeysOf<NonNullable<NatsRoomBusOptions['history']>> = {
  stream: 'stream',
  perRoom: 'perRoom',
  maxAgeMs: 'maxAge',
  maxBytes: 'max',
  replicas: 'replicas',
}
const channel: KeysOf<ChannelOptions, Exclude<ChannelProgramOption, 'codec'>> = {
  codec: 'codec',
  origins: 'origins',
  missingOrigin: 'missingOrigin',
  subprotocols: 'subprotocols',
  requireSubprotocol: 'requireSubprotocol',
  compression: 'compression',
  maxMessageBytes: 'maxMessage',
  maxFragments: 'maxFragments',
  maxConnections: 'maxConnections',
  concurrency: 'concurrency',
  messagesPerSecond: 'messagesPerSecond',
  bytesPerSecond: 'bytesPerSecond',
  onExceeded: 'onExceeded',
  heartbeatMs: 'heartbeat',
  heartbeatTimeoutMs: 'heartbeatTimeout',
  idleMs: 'idle',
  maxLifetimeMs: 'maxLifetime',
  closeTimeoutMs: 'closeTimeout',
  order: 'order',
  replyOrder: 'replyOrder',
  sendBufferBytes: 'sendBuffer',
  lowWaterBytes: 'lowWater',
  overflow: 'overflow',
  sendTimeoutMs: 'sendTimeout',
  batchMs: 'batch',
  maxSubscriptions: 'maxSubscriptions',
  maxRooms: 'maxRooms',
}
const compression: KeysOf<CompressionOptions> = {
  level: 'level',
  thresholdBytes: 'threshold',
  contextTakeover: 'contextTakeover',
}
const json: KeysOf<JsonCodecOptions & JsonRpcOptions> = {
  key: 'key',
  id: 'id',
  data: 'data',
  maxDepth: 'maxDepth',
  maxKeys: 'maxKeys',
  maxBatch: 'maxBatch',
}
const natsRequest: KeysOf<NatsRequestOptions> = {
  headers: 'headers',
  as: 'as',
  encode: 'encode',
  dangerouslyAllowReserved: 'dangerouslyAllowReserved',
  timeoutMs: 'timeout',
  maxPending: 'maxPending',
}
const natsPublish: KeysOf<NatsPublishOptions> = { ...natsRequest, ack: 'ack' }
const natsQueue: KeysOf<NatsQueueOptions> = {
  ...natsRequest,
  stream: 'stream',
  maxBufferedBytes: 'maxBuffered',
  event: 'event',
}
const natsSubscribe: KeysOf<NatsSubscribeOptions, 'subject'> = {
  allow: 'allow',
  perConnection: 'perConnection',
  as: 'as',
  event: 'event',
}
const http: KeysOf<HttpBackendOptions & HttpPoolOptions> = {
  origin: 'http',
  connections: 'connections',
  keepAliveMs: 'keepAlive',
  tls: 'tls',
  timeoutMs: 'timeout',
  streamIdleMs: 'streamIdle',
  maxResponseBytes: 'maxResponse',
  maxPending: 'maxPending',
  as: 'as',
}
const tls: KeysOf<NonNullable<HttpPoolOptions['tls']>> = {
  ca: 'ca',
  cert: 'cert',
  key: 'key',
  servername: 'servername',
  rejectUnauthorized: 'rejectUnauthorized',
}
const ws: KeysOf<WsBackendOptions> = {
  url: 'ws',
  match: 'match',
  share: 'share',
  headers: 'headers',
  subprotocol: 'subprotocol',
  maxMessageBytes: 'maxMessage',
  connectTimeoutMs: 'connectTimeout',
  timeoutMs: 'timeout',
  maxBufferedBytes: 'maxBuffered',
  maxPending: 'maxPending',
  reconnect: 'reconnect',
}
const balance: KeysOf<LoadBalancerOptions> = { targets: 'balance', pick: 'pick', eject: 'eject', probe: 'probe' }
const target: KeysOf<TargetOptions> = { weight: 'weight', name: 'name' }
const probe: KeysOf<ProbeOptions> = { intervalMs: 'interval', timeoutMs: 'timeout' }
const eject: KeysOf<EjectOptions> = { failures: 'failures', forMs: 'for' }
const rateLimit: KeysOf<RateLimitOptions> = {
  limit: 'limit',
  windowMs: 'window',
  burst: 'burst',
  key: 'key',
  maxKeys: 'maxKeys',
}
const throttle: KeysOf<ThrottleOptions> = { limit: 'limit', scope: 'scope', queue: 'queue', maxWaitMs: 'maxWait' }
const retry: KeysOf<RetryOptions> = { attempts: 'attempts', delay: 'delay', perTryMs: 'perTry' }
const delay: KeysOf<ExponentialOptions> = { baseMs: 'base', factor: 'factor', maxMs: 'max', jitter: 'jitter' }
const breaker: KeysOf<BreakerOptions> = {
  threshold: 'threshold',
  windowMs: 'window',
  minCalls: 'minCalls',
  resetMs: 'reset',
  halfOpen: 'halfOpen',
  key: 'key',
  maxKeys: 'maxKeys',
}
const cache: KeysOf<CacheOptions> = {
  key: 'key',
  ttlMs: 'ttl',
  staleMs: 'stale',
  maxEntries: 'maxEntries',
  maxBytes: 'max',
  maxEntryBytes: 'maxEntry',
  shared: 'shared',
}
const basicAuth: KeysOf<BasicAuthOptions> = { users: 'users', realm: 'realm' }
// Those of the channel hold for cookies too.
const bearer: KeysOf<BearerOptions, 'origins' | 'missingOrigin'> = { from: 'from', realm: 'realm' }

const one = ['ws', 'channels', 'a']
const route = [...one, 'routes', 'b']
const natsRoutes = { ...natsRequest, ...natsPublish, ...natsQueue, ...natsSubscribe }
const sent = ['headers', 'forwardHeaders']
const ownKeys = ['nats', 'subject', 'of', 'method', 'eager', 'echo', 'room', 'name', 'self', 'anyone', 'rewind', 'use']
const everyRoute = Object.values({ ...natsRoutes, ...http, ...ws, ...balance }).concat(ownKeys, sent)

describe('the section ws', () => {
  it.each([
    [['ws'], [...Object.values(gateway), 'path', 'rooms', 'channels']],
    [
      ['ws', 'rooms'],
      [...Object.values(rooms), 'bus'],
    ],
    [['ws', 'rooms', 'history'], Object.values(history)],
    [one, [...Object.values(channel), 'room', 'http', 'use', 'routes', 'default']],
    [[...one, 'compression'], Object.values(compression)],
    [
      [...one, 'codec'],
      [...Object.values(json), 'type'],
    ],
    [
      [...one, 'room'],
      ['name', 'self', 'rewind'],
    ],
    [route, everyRoute],
    [[...one, 'default'], everyRoute],
    [[...route, 'tls'], Object.values(tls)],
    [
      [...route, 'reconnect'],
      ['attempts', 'delay'],
    ],
    [[...route, 'reconnect', 'delay'], Object.values(delay)],
    [
      [...route, 'probe'],
      [...Object.values(probe), 'path'],
    ],
    [[...route, 'eject'], Object.values(eject)],
    [
      [...route, 'balance', 0],
      [...Object.values({ ...natsQueue, ...http, ...ws, ...target }), 'nats', 'subject', 'method', 'eager', ...sent],
    ],
    [
      [...one, 'use', 0],
      ['rateLimit', 'throttle', 'timeout', 'retry', 'breaker', 'cache'],
    ],
    [[...route, 'use', 0, 'rateLimit'], Object.values(rateLimit)],
    [[...one, 'use', 0, 'throttle'], Object.values(throttle)],
    [[...one, 'use', 0, 'retry'], Object.values(retry)],
    [[...one, 'use', 0, 'retry', 'delay'], Object.values(delay)],
    [[...one, 'use', 0, 'breaker'], Object.values(breaker)],
    [[...one, 'use', 0, 'cache'], Object.values(cache)],
    [
      [...one, 'http', 0],
      ['basicAuth', 'bearer'],
    ],
    [[...one, 'http', 0, 'basicAuth'], Object.values(basicAuth)],
    [
      [...one, 'http', 0, 'bearer'],
      [...Object.values(bearer), 'tokens'],
    ],
  ])('has a key for every plain option below %j, and no other', (path, keys) => {
    expect([...new Set(keysAt(path))].sort()).toEqual([...new Set(keys)].sort())
  })

  it('leaves out of the gateway what is not plain data, and what the edge decides', () => {
    type Plain = { [K in keyof GatewayOptions]-?: Extract<GatewayOptions[K], (...args: never[]) => unknown> }
    expectTypeOf<'surface'>().toExtend<GatewayProgramOption>()
    expectTypeOf<Plain['clientIp']>().not.toBeNever()
  })

  it('gives the options the names and units of the package', () => {
    const { ws: config } = parseConfig({
      ws: {
        maxConnectionsPerIp: 5,
        drain: '2s',
        spread: 250,
        retryAfter: ['1s', '2s'],
        rooms: { prefix: 'chat' },
        channels: {
          'chat/:room': {
            codec: 'json',
            maxMessage: '64KiB',
            heartbeat: '5s',
            overflow: 'drop-oldest',
            room: '{room}',
            compression: { threshold: '2KiB' },
            use: [{ timeout: '2s' }, { retry: { delay: { base: '10ms' }, perTry: '1s' } }],
            routes: {
              'order.*': { nats: 'request', subject: 'orders.{match}', timeout: '1s' },
              page: { http: 'http://127.0.0.1:1/{id}', maxResponse: '1KiB', keepAlive: '1s' },
              feed: { ws: 'ws://127.0.0.1:1', reconnect: { delay: '1s' }, maxBuffered: '1KiB' },
              both: {
                balance: [{ nats: 'queue', subject: 'a', maxBuffered: '1KiB', weight: 2 }],
                eject: { for: '1s' },
              },
            },
          },
        },
      },
    }).config
    expect(config).toEqual({
      path: '/ws',
      maxConnectionsPerIp: 5,
      drainMs: 2000,
      spreadMs: 250,
      retryAfterMs: [1000, 2000],
      rooms: { bus: 'nats', prefix: 'chat' },
      channels: {
        'chat/:room': {
          codec: { type: 'json' },
          maxMessageBytes: 65_536,
          heartbeatMs: 5000,
          overflow: 'drop-oldest',
          room: { name: '{room}' },
          compression: { thresholdBytes: 2048 },
          use: [{ timeout: 2000 }, { retry: { delay: { baseMs: 10 }, perTryMs: 1000 } }],
          routes: {
            'order.*': { nats: 'request', subject: 'orders.{match}', timeoutMs: 1000 },
            page: { http: 'http://127.0.0.1:1/{id}', maxResponseBytes: 1024, keepAliveMs: 1000 },
            feed: { ws: 'ws://127.0.0.1:1', reconnect: { delay: 1000 }, maxBufferedBytes: 1024 },
            both: {
              balance: [{ nats: 'queue', subject: 'a', maxBufferedBytes: 1024, weight: 2 }],
              eject: { forMs: 1000 },
            },
          },
        },
      },
    })
  })

  it('has no channels, and leaves everything else to the package, when nothing is set', () => {
    const { ws: config } = loadConfig({ files: [], env: {} }).config
    expect(config).toEqual({ path: '/ws', rooms: { bus: 'nats' }, channels: {} })
  })
})

describe('a fault in the section ws', () => {
  function faultsOf(channelConfig: unknown): readonly string[] {
    try {
      parseConfig({ ws: { channels: { a: channelConfig } } })
    } catch (error) {
      if (error instanceof ConfigError) return error.diagnostics.map(({ code, message }) => `${code} ${message}`)
      throw error
    }
    return []
  }

  const at = '"ws.channels.a'
  it.each([
    [{ codec: 'jason' }, `config/invalid-value ${at}.codec" must be "raw" or "json" or "json-rpc"`],
    [{ routes: { b: { nats: 'reqest', subject: 'x' } } }, /routes\.b\.nats" must be "request" or "publish" or "queue"/],
    [{ routes: { b: { nats: 'request' } } }, `config/missing-key ${at}.routes.b.subject" is required`],
    [{ routes: { b: { nats: 'request', subjct: 'x', subject: 'x' } } }, /unknown-key "subjct" is not a key of/],
    [
      { routes: { b: { http: 'http://{host}/' } } },
      /routes\.b\.http" must be an http:\/\/ or https:\/\/ URL whose host/,
    ],
    [{ routes: { b: { ws: 'http://127.0.0.1' } } }, /routes\.b\.ws" must be a ws:\/\/ or wss:\/\/ URL/],
    [
      { routes: { b: { http: 'http://a', forwardHeaders: ['Host'] } } },
      /forwardHeaders\[0\]" belongs to the connection/,
    ],
    [{ use: [{ timeout: '1s', throttle: { limit: 1 } }] }, `${at}.use[0]" must name one middleware`],
    [{ use: [{ rateLimt: { limit: 1 } }] }, 'config/unknown-key "rateLimt" is not a key of "ws.channels.a.use[0]"'],
    [{ use: [{ throttle: { limit: 1, scope: 'all' } }] }, /scope" must be global, connection, principal or a template/],
    [{ http: [{ basicAuth: { users: { ada: 'secret' } } }] }, /users\.ada" must be sha256: and 64 hexadecimal digits/],
    [{ http: [{ bearer: { tokens: {} } }] }, /tokens" must name at least one/],
    [{ heartbeat: 'soon' }, `${at}.heartbeat" must be a duration`],
  ])('is named with its place: %j', (config, expected) => {
    const faults = faultsOf(config)
    expect(faults.length).toBeGreaterThan(0)
    if (typeof expected === 'string') expect(faults.join('\n')).toContain(expected)
    else expect(faults.join('\n')).toMatch(expected)
  })
})
