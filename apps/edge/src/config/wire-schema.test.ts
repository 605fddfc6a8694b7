// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AllowDeny } from '@nats-edge/wire-parser'
import type {
  AddressOptions,
  BackendOptions,
  BackendTlsOptions,
  HeaderPolicyOptions,
  ListenerOptions,
  ListenerTlsOptions,
  PayloadRule,
  PermissionPolicyOptions,
  PolicyOptions,
  RateRule,
  ResponsePermissionOptions,
  TlsKeyPair,
  VerbRule,
  WebSocketCompression,
  WireGatewayLimits,
  WireGatewayOptions,
} from '@nats-edge/wire-parser/gateway'
import { wireGateway } from '@nats-edge/wire-parser/gateway'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { loadConfig, parseConfig } from '../config.ts'

import { makeServer } from '../edge.ts'
import { createLog } from '../log.ts'
import { ConfigError } from './diagnostic.ts'
import { keysAt } from './json-schema.ts'
import type { WireConfig, WireEdgeOption, WireProgramOption } from './wire-schema.ts'
import type { WireListenConfig } from './wire-listen-schema.ts'

type Value<T> = Exclude<T, undefined>
type PlainKeys<T> = { [K in keyof T]-?: Value<T[K]> extends (...args: never[]) => unknown ? never : K }[keyof T]

// Every option of the package, as types; a new one does not compile until it is listed, and fails until it has a key.
const wire: Record<Exclude<keyof WireGatewayOptions, WireProgramOption | WireEdgeOption>, string> = {
  backends: 'backends',
  policies: 'policies',
  limits: 'limits',
  addresses: 'addresses',
  advertise: 'advertise',
  advertiseWebSocket: 'advertiseWebSocket',
  hideInfo: 'hideInfo',
  origins: 'origins',
  missingOrigin: 'missingOrigin',
  compression: 'compression',
  outputFrames: 'outputFrames',
  samplePublishes: 'samplePublishes',
}
const backend: Record<PlainKeys<BackendOptions>, string> = { id: 'id', url: 'url', tls: 'tls' }
const backendTls: Record<keyof BackendTlsOptions, string> = {
  ca: 'ca',
  cert: 'cert',
  key: 'key',
  servername: 'servername',
  rejectUnauthorized: 'rejectUnauthorized',
  handshakeFirst: 'handshakeFirst',
}
const addresses: Record<keyof AddressOptions, string> = { allow: 'allow', deny: 'deny' }
const compression: Record<keyof WebSocketCompression, string> = {
  level: 'level',
  thresholdBytes: 'threshold',
  contextTakeover: 'contextTakeover',
}
const limits: Record<keyof WireGatewayLimits, string> = {
  maxControlLineBytes: 'maxControlLine',
  maxConnectBytes: 'maxConnect',
  maxInfoBytes: 'maxInfo',
  maxHeaderBytes: 'maxHeader',
  maxPayloadBytes: 'maxPayload',
  readBufferBytes: 'readBuffer',
  authTimeoutMs: 'authTimeout',
  handshakeTimeoutMs: 'handshakeTimeout',
  dialTimeoutMs: 'dialTimeout',
  infoTimeoutMs: 'infoTimeout',
  maxConnections: 'maxConnections',
  maxConnectionsPerUser: 'maxConnectionsPerUser',
  maxConnectionsPerIp: 'maxConnectionsPerIp',
  maxPendingAuth: 'maxPendingAuth',
  connectsPerSecond: 'connectsPerSecond',
  connectBurst: 'connectBurst',
  preConnectBytes: 'preConnect',
  maxPendingBytes: 'maxPending',
  maxSubscriptions: 'maxSubscriptions',
  maxSubjectTokens: 'maxSubjectTokens',
  maxWildcards: 'maxWildcards',
  highWaterBytes: 'highWater',
  slowClientMs: 'slowClient',
  maxPendingHooks: 'maxPendingHooks',
  maxWsMessageBytes: 'maxWsMessage',
  maxWsFragments: 'maxWsFragments',
}
const policies: Record<keyof PolicyOptions, string> = {
  permissions: 'permissions',
  verbs: 'verbs',
  payloads: 'payloads',
  rates: 'rates',
  headers: 'headers',
}
const permissions: Record<keyof PermissionPolicyOptions, string> = {
  publish: 'publish',
  subscribe: 'subscribe',
  allowResponses: 'allowResponses',
  systemSubjects: 'systemSubjects',
  jetStream: 'jetStream',
  direction: 'direction',
  dryRun: 'dryRun',
}
const allowDeny: Record<keyof AllowDeny, string> = { allow: 'allow', deny: 'deny' }
const responses: Record<keyof ResponsePermissionOptions, string> = {
  max: 'max',
  ttlMs: 'ttl',
  maxReplies: 'maxReplies',
}
const verbs: Record<keyof VerbRule, string> = { allow: 'allow', dryRun: 'dryRun' }
const payload: Record<keyof PayloadRule, string> = {
  maxBytes: 'max',
  subjects: 'subjects',
  verbs: 'verbs',
  action: 'action',
  dryRun: 'dryRun',
}
const rate: Record<keyof RateRule, string> = {
  by: 'by',
  subjects: 'subjects',
  messagesPerSecond: 'messagesPerSecond',
  bytesPerSecond: 'bytesPerSecond',
  burstMessages: 'burstMessages',
  burstBytes: 'burst',
  action: 'action',
  maxKeys: 'maxKeys',
  dryRun: 'dryRun',
}
const headers: Record<keyof HeaderPolicyOptions, string> = { strip: 'strip', inject: 'inject', dryRun: 'dryRun' }
const listener: Record<Exclude<keyof ListenerOptions, 'name' | 'host' | 'port'>, string> = { path: 'path', tls: 'tls' }
const pair: Record<keyof TlsKeyPair, string> = { cert: 'cert', key: 'key' }
const listenerTls: Record<keyof ListenerTlsOptions, string> = {
  ...pair,
  mode: 'mode',
  hosts: 'hosts',
  clientCertificate: 'clientCertificate',
  ca: 'ca',
  autoDelayMs: 'autoDelay',
}

describe('the section wire', () => {
  it.each([
    [['wire'], { ...wire, enabled: 'enabled', websocketPath: 'websocketPath' }],
    [['wire', 'backends', 0], backend],
    [['wire', 'backends', 0, 'tls'], backendTls],
    [['wire', 'addresses'], addresses],
    [['wire', 'compression'], compression],
    [['wire', 'limits'], limits],
    [['wire', 'policies'], policies],
    [['wire', 'policies', 'permissions'], permissions],
    [['wire', 'policies', 'permissions', 'publish'], allowDeny],
    [['wire', 'policies', 'permissions', 'subscribe'], allowDeny],
    [['wire', 'policies', 'permissions', 'allowResponses'], responses],
    [['wire', 'policies', 'verbs'], verbs],
    [['wire', 'policies', 'payloads', 0], payload],
    [['wire', 'policies', 'rates', 0], rate],
    [['wire', 'policies', 'headers'], headers],
    // Host and port are one address here, and the name is the edge's.
    [['listen', 'wire'], { ...listener, host: 'address' }],
    [['listen', 'wire', 'tls'], listenerTls],
    [['listen', 'wire', 'tls', 'hosts', 'a.example'], pair],
  ] as const)('has a key for every plain option below %j, and no other', (path, options) => {
    expect([...new Set(keysAt(path))].sort()).toEqual(Object.values(options).sort())
  })

  it('leaves nothing out but what only a program can pass', () => {
    expectTypeOf<Exclude<keyof WireGatewayOptions, PlainKeys<WireGatewayOptions>>>().toExtend<WireProgramOption>()
    expectTypeOf<Omit<WireConfig, 'enabled' | 'websocketPath' | 'backends'>>().toExtend<Partial<WireGatewayOptions>>()
    expectTypeOf<Omit<WireListenConfig, 'address' | 'tls'>>().toExtend<Partial<ListenerOptions>>()
  })

  it('leaves out what is not set, so that the package has its own defaults', () => {
    const { config } = loadConfig({ files: [], env: {} })
    expect(config.wire).toEqual({ enabled: true, websocketPath: '/nats' })
    expect(config.listen.wire).toEqual({})
  })

  it('gives the options the names and units of the package, which takes them all', () => {
    const { config } = parseConfig({
      wire: {
        websocketPath: false,
        backends: [{ id: 'one', url: 'tls://broker:4222', tls: { servername: 'broker', handshakeFirst: true } }],
        advertise: ['edge-1:4223', '[::1]:4223'],
        hideInfo: ['cluster'],
        addresses: { allow: ['10.0.0.0/8'], deny: ['10.1.2.3'] },
        origins: ['https://app.example'],
        compression: { level: 3, threshold: '2KiB', contextTakeover: true },
        samplePublishes: 100,
        limits: { maxPayload: '64KiB', authTimeout: '1s', slowClient: 250, maxWildcards: 0, preConnect: '8KiB' },
        policies: {
          permissions: {
            publish: { allow: ['orders.*.created', 'of.{{ip}}.>'], deny: ['orders.secret.>'] },
            subscribe: { allow: ['orders.> work'] },
            allowResponses: { max: 2, ttl: '30s', maxReplies: 10 },
            systemSubjects: 'deny',
            dryRun: true,
          },
          verbs: { allow: ['PUB', 'SUB', 'UNSUB'] },
          payloads: [{ max: '1KiB', subjects: ['small.>'], verbs: ['PUB'], action: 'error' }],
          rates: [
            {
              by: 'ip',
              messagesPerSecond: 0.5,
              bytesPerSecond: '1KiB/s',
              burst: '4KiB',
              burstMessages: 3,
              action: 'drop',
            },
          ],
          headers: { strip: ['X-Internal-*'], inject: ['clientIp', 'time'] },
        },
      },
    })
    expect(config.wire).toEqual({
      enabled: true,
      websocketPath: false,
      backends: [{ id: 'one', url: 'tls://broker:4222', tls: { servername: 'broker', handshakeFirst: true } }],
      advertise: ['edge-1:4223', '[::1]:4223'],
      hideInfo: ['cluster'],
      addresses: { allow: ['10.0.0.0/8'], deny: ['10.1.2.3'] },
      origins: ['https://app.example'],
      compression: { level: 3, thresholdBytes: 2048, contextTakeover: true },
      samplePublishes: 100,
      limits: {
        maxPayloadBytes: 65_536,
        authTimeoutMs: 1000,
        slowClientMs: 250,
        maxWildcards: 0,
        preConnectBytes: 8192,
      },
      policies: {
        permissions: {
          publish: { allow: ['orders.*.created', 'of.{{ip}}.>'], deny: ['orders.secret.>'] },
          subscribe: { allow: ['orders.> work'] },
          allowResponses: { max: 2, ttlMs: 30_000, maxReplies: 10 },
          systemSubjects: 'deny',
          dryRun: true,
        },
        verbs: { allow: ['PUB', 'SUB', 'UNSUB'] },
        payloads: [{ maxBytes: 1024, subjects: ['small.>'], verbs: ['PUB'], action: 'error' }],
        rates: [
          {
            by: 'ip',
            messagesPerSecond: 0.5,
            bytesPerSecond: 1024,
            burstBytes: 4096,
            burstMessages: 3,
            action: 'drop',
          },
        ],
        headers: { strip: ['X-Internal-*'], inject: ['clientIp', 'time'] },
      },
    })
    const { enabled: _enabled, websocketPath: _path, ...options } = config.wire
    expect(() => wireGateway({ ...options, backends: [{ url: 'nats://127.0.0.1:4222' }] })).not.toThrow()
  })

  it('hears single settings from variables and flags', () => {
    const env = { NATS_EDGE_WIRE_LIMITS_MAX_PAYLOAD: '2KiB', NATS_EDGE_LISTEN_WIRE_ADDRESS: 'false' }
    const assignments = [
      { flag: '--set', text: 'wire.websocketPath=false' },
      { flag: '--set', text: 'wire.policies.rates=[{"by":"all","messagesPerSecond":5}]' },
    ]
    const { config } = loadConfig({ files: [], env, assignments })
    expect(config.wire).toMatchObject({
      websocketPath: false,
      limits: { maxPayloadBytes: 2048 },
      policies: { rates: [{ by: 'all', messagesPerSecond: 5 }] },
    })
    expect(config.listen.wire).toEqual({ address: false })
  })
})

describe('a fault in the section wire', () => {
  let folder = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nats-edge-test-'))
    writeFileSync(join(folder, 'no.pem'), 'this is no certificate')
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  /** What loading and making a server of a file says, without the excerpt. */
  function faultsOf(yaml: string): string {
    const path = join(folder, 'nats-edge.yaml')
    writeFileSync(path, yaml.replaceAll('FOLDER', folder))
    try {
      const loaded = loadConfig({ files: [path], env: {} })
      const silent = { level: 'silent', format: 'json', access: false, redact: [] } as const
      makeServer(loaded.tree, {
        config: loaded.config,
        log: createLog(silent, { write: () => {} }),
        droppedLogLines: () => 0,
        mounts: undefined,
        bus: undefined,
        insecure: false,
        adminMayMove: false,
        onStep: () => {},
      })
    } catch (error) {
      if (error instanceof ConfigError) return error.message.replaceAll(`${folder}/`, '')
      throw error
    }
    return 'nothing'
  }

  it.each([
    [
      'an unknown key',
      'wire:\n  polices: {}',
      /yaml:2:3: .*"polices" is not a key of "wire"[^]*did you mean "policies"\?/,
    ],
    [
      'an unknown limit',
      'wire:\n  limits: { maxPayloads: 1KiB }',
      /2:13: .*"maxPayloads"[^]*did you mean "maxPayload"\?/,
    ],
    [
      'a misspelt word',
      'wire: { outputFrames: binry }',
      /1:23: .*"wire.outputFrames" must be[^]*did you mean "binary"\?/,
    ],
    ['a misspelt action', 'wire:\n  policies:\n    rates:\n      - { by: ip, action: dely }', /4:27: [^]*"delay"\?/],
    [
      'a size that is none',
      'wire: { limits: { maxPayload: lots } }',
      /"wire.limits.maxPayload" must be a size such as/,
    ],
    [
      'a duration that is none',
      'wire: { limits: { authTimeout: soon } }',
      /"wire.limits.authTimeout" must be a duration/,
    ],
    [
      'a pattern that is none',
      'wire: { policies: { permissions: { publish: { allow: [a..b] } } } }',
      /1:55: .*must be a subject pattern/,
    ],
    [
      'a queue too many',
      'wire: { policies: { permissions: { subscribe: { deny: [a b c] } } } }',
      /must be a subject pattern/,
    ],
    [
      'a value of a principal',
      'wire: { policies: { permissions: { publish: { deny: ["u.{{name}}"] } } } }',
      /may only use \{\{ip\}\}: nobody logs in/,
    ],
    [
      'a rate by user',
      'wire: { policies: { rates: [{ by: user, messagesPerSecond: 1 }] } }',
      /must be connection, ip or all: nobody logs in/,
    ],
    [
      'a header about a user',
      'wire: { policies: { headers: { inject: [tenant] } } }',
      /cannot be user or tenant: nobody logs in/,
    ],
    [
      'a rate of nothing',
      'wire:\n  policies:\n    rates:\n      - { by: ip }',
      /4:9: .*"wire.policies.rates\[0\]" needs messagesPerSecond or bytesPerSecond/,
    ],
    [
      'a limit the gateway refuses',
      'wire:\n  limits: { highWater: 1KiB }',
      /2:24: .*"wire.limits.highWater" must be a whole number from 65536/,
    ],
    ['two servers', 'wire: { backends: [{ url: nats://a }, { url: nats://b }] }', /must be a list of one server/],
    [
      'a server with credentials',
      'wire: { backends: [{ url: "nats://u:canary@a" }] }',
      /1:27: .*"wire.backends\[0\].url" must not hold credentials/,
    ],
    ['an address that is none', 'wire: { addresses: { allow: [10.0.0.0/33] } }', /must be an address or a CIDR block/],
    ['a path that is none', 'wire: { websocketPath: nats }', /"wire.websocketPath" must begin with "\/"/],
    ['a path twice', 'rest: { path: /nats }', /"wire.websocketPath": "\/nats" belongs to rest already/],
    [
      'a certificate that is not there',
      'listen: { wire: { tls: { cert: /absent, key: /absent } } }',
      /1:32: .*"\/absent" cannot be read/,
    ],
    [
      'a certificate that is none',
      'listen:\n  wire:\n    tls: { cert: FOLDER/no.pem, key: FOLDER/no.pem }',
      /3:10: .*"listen.wire.tls": "cert" and "key" are no pair/,
    ],
    [
      'an embedded broker beyond loopback',
      'embedded: { enabled: true }\nlisten: { wire: { address: 0.0.0.0:4223 } }',
      /2:28: .*public-without-auth.*"listen.wire.address" is 0.0.0.0:4223, where everybody/,
    ],
    ['a server that is none', 'nats: { servers: ["nats://"] }', /"nats.servers".*is no address of a server/],
  ])('such as %s is told with its place and what to do', (_, yaml, message) => {
    expect(faultsOf(yaml)).toMatch(message)
  })

  it('shows no credentials', () => {
    expect(faultsOf('wire: { backends: [{ url: "nats://u:canary@a" }] }')).not.toContain('canary')
  })
})
