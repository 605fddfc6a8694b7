// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod'
import { isBlock, isHeaderName } from '../client-address.ts'
import type { EdgeConfig, EdgeConfigInput, ListenConfig, LimitsConfig, NatsConfig } from '../config.ts'
import { restSchema } from './rest-schema.ts'
import { address, byteRate, duration, readableFile, positive, secret, size } from './value.ts'
import { wireListenSchema } from './wire-listen-schema.ts'
import { wireSchema } from './wire-schema.ts'
import { wsSchema } from './ws-schema.ts'

const ping = z.strictObject({
  interval: duration.prefault('1s').describe('How often the broker is asked for a sign of life.'),
  maxOut: positive.default(2).describe('Unanswered pings after which the connection counts as lost.'),
})

const credentials = z
  .strictObject({
    file: readableFile.optional().describe('A .creds file; read again at each reconnect.'),
    user: z.string().min(1).optional().describe('User name; needs password.'),
    password: secret.optional().describe('Password of user.'),
    token: secret.optional().describe('A token.'),
    nkeySeed: secret.optional().describe('The seed of an nkey, SU….'),
  })
  .refine((value) => credentialForms(value) === 1, 'must be one of: file, user with password, token, nkeySeed')
  .refine((value) => (value.user === undefined) === (value.password === undefined), 'user and password go together')

function credentialForms(value: { readonly [form: string]: unknown }): number {
  return ['file', 'user', 'token', 'nkeySeed'].filter((form) => value[form] !== undefined).length
}

const natsTls = z.strictObject({
  ca: readableFile.optional().describe('File with the certificates of the authorities to trust (PEM).'),
  cert: readableFile.optional().describe('File with the client certificate (PEM); needs key.'),
  key: readableFile.optional().describe('File with the key of cert (PEM).'),
  handshakeFirst: z.boolean().default(false).describe('TLS begins before INFO.'),
})

const nats: z.ZodType<NatsConfig> = z.strictObject({
  servers: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], { error: 'must be a URL or a list of URLs' })
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .prefault(['nats://127.0.0.1:4222'])
    .describe('Where NATS is; not used with embedded.enabled.'),
  credentials: credentials.optional().describe('How the edge logs in.'),
  tls: natsTls.optional().describe('TLS towards the broker; a tls:// URL alone uses the system authorities.'),
  ping: ping.prefault({}).describe('How a frozen broker is noticed.'),
  waitOnStart: z.boolean().default(true).describe('false: exit 3 when the first connection fails.'),
  exitOnNatsLoss: z.boolean().default(false).describe('true: exit 1 when the connection is lost.'),
  requestTimeout: duration
    .optional()
    .describe(
      'How long a surface waits for a reply when it has no timeout of its own. Default: what the surface says.',
    ),
  pendingMax: size.prefault('8MiB').describe('Bytes on the way to the broker above which publishes get 503.'),
})

const embedded = z.strictObject({
  enabled: z.boolean().default(false).describe('Runs a nats-server as a child process; on in dev.'),
  port: z.int().min(0).max(65_535).default(0).describe('Port of the embedded broker; 0 is any free one.'),
  dataDir: z.string().min(1).default('./.nats-edge/data').describe('Where its JetStream data is kept.'),
  install: z.enum(['auto', 'never']).default('auto').describe('Whether a missing nats-server may be installed.'),
  version: z.string().min(1).default('>=2.9.10').describe('Versions that are good enough.'),
})

const cidrs = z.array(z.string().refine(isBlock, 'must be an address or a CIDR block such as 10.0.0.0/8')).default([])

const listen: z.ZodType<ListenConfig> = z.strictObject({
  public: z
    .strictObject({
      address: address
        .optional()
        .describe('Default 127.0.0.1:8080, with --insecure 0.0.0.0:8080. Beyond loopback needs --insecure.'),
      trustedProxies: cidrs.describe('Addresses (CIDR) of the proxies in front, whose word about the client counts.'),
      clientAddressHeader: z
        .string()
        .refine(isHeaderName, 'must be the name of one header, such as x-forwarded-for')
        .default('x-forwarded-for')
        .describe(
          'The one header of theirs that is believed: x-forwarded-for, forwarded, or one with a single address such as x-real-ip, cf-connecting-ip or cloudfront-viewer-address.',
        ),
      health: z.boolean().default(false).describe('true: /livez and /readyz here too.'),
    })
    .prefault({}),
  admin: z
    .strictObject({
      address: address
        .prefault('127.0.0.1:9180')
        .describe('Health, metrics and profiles. Beyond loopback needs token.'),
      hosts: z
        .array(z.string().min(1))
        .optional()
        .describe('Names that Host may have. Default on loopback: localhost, 127.0.0.1, [::1]; elsewhere any.'),
      token: secret.optional().describe('Bearer token for /metrics, profiles and verbose health.'),
      profiles: z
        .boolean()
        .default(false)
        .describe('true: profiles of V8 under /debug, which hold what is in memory. Needs token.'),
    })
    .prefault({}),
  wire: wireListenSchema.prefault({}),
})

const limits: z.ZodType<LimitsConfig> = z.strictObject({
  connections: positive.default(10_000).describe('Open connections; above: 503, closed at once above +5 %.'),
  connectionsPerIp: positive.default(100).describe('Open connections of one address; above: 503.'),
  url: z.strictObject({ max: size.prefault('8KiB').describe('Request target; above: 414.') }).prefault({}),
  headers: z
    .strictObject({
      max: size.prefault('16KiB').describe('Header block with request line; above: 431.'),
      count: positive.default(100).describe('Header lines; above: 431.'),
    })
    .prefault({}),
  body: z
    .strictObject({
      max: size.prefault('1MiB').describe('Request body; above: 413. Never above what the broker takes.'),
      minRate: byteRate.prefault('1KiB/s').describe('Slowest body after 5 s; below: 408. 0: any.'),
    })
    .prefault({}),
  deadlines: z
    .strictObject({
      headers: duration.prefault('10s').describe('Until the header block is complete; then closed.'),
      body: duration.prefault('30s').describe('Until the body is complete; then 408.'),
      write: duration.prefault('30s').describe('Without progress of a response; then closed.'),
      keepAlive: duration.prefault('65s').describe('Idle between two requests; then closed.'),
    })
    .prefault({}),
})

const log = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least level.'),
  format: z.enum(['json', 'pretty']).default('json').describe('pretty: short lines for people; the default in dev.'),
  access: z.boolean().default(true).describe('One line per request.'),
  redact: z
    .array(z.string().regex(/^[A-Za-z0-9_-]+$/))
    .default(['authorization', 'cookie', 'set-cookie', 'x-api-key'])
    .describe('Fields and headers whose values are hidden; headers are logged at level debug.'),
})

const metrics = z.strictObject({
  enabled: z.boolean().default(true).describe('Serves /metrics on the admin listener.'),
  maxSeriesPerMetric: positive.default(1000).describe('Label combinations of a metric; above: `other`.'),
})

const shutdown = z.strictObject({
  delay: duration.prefault('0s').describe('/readyz is 503 this long before accepting stops.'),
  grace: duration.prefault('25s').describe('Longest time from the signal to the exit; 5s in dev.'),
})

/** The one definition of a configuration: validation, defaults, environment names and JSON Schema come from it. */
export const configSchema: z.ZodType<EdgeConfig, EdgeConfigInput> = z.strictObject({
  $schema: z.string().optional().describe('For editors.'),
  version: z.literal(1).default(1).describe('Version of this schema.'),
  index: z.boolean().default(true).describe('A page at GET / that lists what is mounted.'),
  nats: nats.prefault({}),
  embedded: embedded.prefault({}),
  listen: listen.prefault({}),
  limits: limits.prefault({}),
  rest: restSchema.prefault({}),
  wire: wireSchema.prefault({}),
  ws: wsSchema.prefault({}),
  log: log.prefault({}),
  metrics: metrics.prefault({}),
  shutdown: shutdown.prefault({}),
})
