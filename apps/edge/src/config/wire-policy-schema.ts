// SPDX-License-Identifier: Apache-2.0
import { parsePattern } from '@nats-edge/wire-parser'
import type { PolicyOptions } from '@nats-edge/wire-parser/gateway'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { byteRate, duration, positive, size } from './value.ts'

const anyLength = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }
const patternForm = 'must be a subject pattern such as orders.> or room.{{ip}}.*'
// Nobody logs in at the edge: what is said about principals would hold for nobody, or for everybody.
const nobody = 'nobody logs in at the edge itself'

const dryRun = z.boolean().exactOptional().describe('Reports what it would do and does nothing. Default false.')

const pattern = z
  .string()
  .refine((text) => isPattern(text), patternForm)
  .refine((text) => !/\{\{(?!ip\}\})/.test(text), `may only use {{ip}}: ${nobody}`)

const queuePattern = z
  .string()
  .refine((text) => text.split(' ').length <= 2 && text.split(' ').every(isPattern), `${patternForm}, or orders.> work`)
  .refine((text) => !/\{\{(?!ip\}\})/.test(text), `may only use {{ip}}: ${nobody}`)

function isPattern(text: string): boolean {
  return parsePattern(text.replaceAll(/\{\{[^{}]+\}\}/g, 'x'), anyLength) !== undefined
}

const subjects = z
  .array(z.string().refine((text) => parsePattern(text) !== undefined, 'must be a subject pattern such as orders.>'))
  .exactOptional()
  .describe('Only messages on these subjects. Default: all.')

const publish = z.strictObject({
  allow: z.array(pattern).exactOptional().describe('Subjects clients may publish to. Default: all.'),
  deny: z.array(pattern).exactOptional().describe('Subjects they may not; wins over allow. Default: none.'),
})

const subscribe = z.strictObject({
  allow: z
    .array(queuePattern)
    .exactOptional()
    .describe('Subjects clients may subscribe to; a queue pattern may follow after a blank. Default: all.'),
  deny: z.array(queuePattern).exactOptional().describe('Subjects they may not; wins over allow. Default: none.'),
})

const responses = z
  .strictObject({
    max: positive.exactOptional().describe('Replies to one delivery. Default 1.'),
    ttl: duration.exactOptional().describe('How long a reply may take. Default 2m.'),
    maxReplies: positive.exactOptional().describe('Reply subjects remembered for a client. Default 10000.'),
  })
  .transform((value) => renameKeys(value, { ttl: 'ttlMs' }))

const permissions = z.strictObject({
  publish: publish.exactOptional().describe('What clients may publish.'),
  subscribe: subscribe.exactOptional().describe('What clients may subscribe to.'),
  allowResponses: z
    .union([z.boolean(), responses])
    .exactOptional()
    .describe(
      'Clients may publish to reply subjects delivered to them, and else only what publish.allow says. Default false.',
    ),
  systemSubjects: z.enum(['allow', 'deny']).exactOptional().describe('Whether $SYS.> may be used. Default allow.'),
  jetStream: z
    .enum(['allow', 'deny'])
    .exactOptional()
    .describe('Whether $JS.>, $KV.> and $O.> may be used. Default allow.'),
  direction: z
    .enum(['both', 'publish', 'subscribe'])
    .exactOptional()
    .describe('publish refuses every subscription, subscribe every publish. Default both.'),
  dryRun,
})

const verbs = z.strictObject({
  allow: z.array(z.enum(['PUB', 'HPUB', 'SUB', 'UNSUB'])).describe('Verbs that pass: PUB, HPUB, SUB, UNSUB.'),
  dryRun,
})

const payload = z
  .strictObject({
    max: size.describe('Headers and payload of a message.'),
    subjects,
    verbs: z
      .array(z.enum(['PUB', 'HPUB']))
      .exactOptional()
      .describe('Only these verbs. Default: PUB and HPUB.'),
    action: z
      .enum(['close', 'error'])
      .exactOptional()
      .describe('close ends the connection, error loses the message and says so. Default close.'),
    dryRun,
  })
  .transform((value) => renameKeys(value, { max: 'maxBytes' }))

const rate = z
  .strictObject({
    by: z
      .enum(['connection', 'user', 'ip', 'all'])
      .refine((by) => by !== 'user', `must be connection, ip or all: ${nobody}`)
      .describe('Who shares a bucket: connection, ip or all.'),
    subjects,
    messagesPerSecond: z.number().positive().exactOptional().describe('Messages a second.'),
    bytesPerSecond: byteRate.exactOptional().describe('Bytes a second, such as 1MiB/s.'),
    burstMessages: positive.exactOptional().describe('Messages that may come at once. Default those of a second.'),
    burst: size.exactOptional().describe('Bytes that may come at once. Default those of a second, at least 1MiB.'),
    action: z
      .enum(['delay', 'drop', 'error', 'close'])
      .exactOptional()
      .describe('delay holds the client back, drop says nothing, error says so, close ends it too. Default delay.'),
    maxKeys: positive.exactOptional().describe('Addresses remembered; the least recently seen leaves. Default 10000.'),
    dryRun,
  })
  .transform((value) => renameKeys(value, { burst: 'burstBytes' }))

const headers = z.strictObject({
  strip: z
    .array(z.string().min(1))
    .exactOptional()
    .describe(
      'Headers removed from what clients publish; X-* for all that begin so. Default Nats-Trace-Dest, Nats-Request-Info.',
    ),
  inject: z
    .array(
      z
        .enum(['user', 'tenant', 'clientIp', 'connectionId', 'time', 'traceparent'])
        .refine((name) => name !== 'user' && name !== 'tenant', `cannot be user or tenant: ${nobody}`),
    )
    .exactOptional()
    .describe('Headers added: clientIp, connectionId, time, traceparent. Default none.'),
  dryRun,
})

/** `wire.policies`: what clients may do, on top of what the server lets them. */
export const wirePolicies: z.ZodType<PolicyOptions> = z.strictObject({
  permissions: permissions.exactOptional(),
  verbs: verbs.exactOptional(),
  payloads: z.array(payload).exactOptional().describe('Bounds for messages below that of the server. Default none.'),
  rates: z.array(rate).exactOptional().describe('Rates for what clients publish. Default none.'),
  headers: headers.exactOptional(),
})
