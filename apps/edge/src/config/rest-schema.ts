// SPDX-License-Identifier: Apache-2.0
import type { RestProxyOptions } from '@nats-edge/rest-proxy'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { count, duration, positive, size } from './value.ts'

/** Options of `restProxy()` that a program passes and a file cannot hold. */
export type RestProgramOption = 'nats' | 'principal' | 'authorize' | 'clientIp' | 'observe' | 'signal'

/** Where the REST proxy is mounted, and its own options under their own names. */
export interface RestConfig extends Omit<RestProxyOptions, RestProgramOption> {
  readonly path: string
}

const names = z.array(z.string().min(1))
const texts = z.record(z.string(), z.string())

const headerRules = z.strictObject({
  allow: names.exactOptional().describe('Names that may pass; X-* for all that begin so, * for all.'),
  drop: names.exactOptional().describe('Names that never pass.'),
  set: texts
    .exactOptional()
    .describe('Headers that are always there; {{id}}, {{name}}, {{ip}}, {{claim.x}} are filled in.'),
  rename: texts.exactOptional().describe('Names that pass under another name.'),
})

const regExp = z.string().transform((source, context) => {
  try {
    return new RegExp(source, 'u')
  } catch {
    context.addIssue({ code: 'custom', message: 'must be a regular expression' })
    return z.NEVER
  }
})

const param = z.strictObject({
  pattern: regExp.exactOptional().describe('Regular expression the whole value must match.'),
  encode: z.enum(['base32hex', 'base64url']).exactOptional().describe('Makes any value one token.'),
})

const publish = z.strictObject({
  confirm: z
    .enum(['none', 'flush', 'jetstream'])
    .exactOptional()
    .describe('When a message counts as accepted. Default none.'),
  expect: z
    .strictObject({
      stream: z.string().exactOptional().describe('Its name.'),
      lastSequence: count.exactOptional().describe('Sequence of its last message.'),
      lastSubjectSequence: count.exactOptional().describe('Sequence of the last message of this subject.'),
      lastMessageId: z.string().exactOptional().describe('Nats-Msg-Id of its last message.'),
    })
    .exactOptional()
    .describe('What the stream must look like; for confirm: jetstream.'),
})

const retry = z
  .strictObject({
    attempts: count.describe('Further attempts after the first.'),
    backoff: duration
      .exactOptional()
      .describe('Pause before the second attempt, doubled with each up to a second. Default 50ms.'),
    onTimeout: z.boolean().exactOptional().describe('A missing reply is tried again too. Default false.'),
  })
  .transform((value) => renameKeys(value, { backoff: 'backoffMs' }))

const rateLimit = z.strictObject({
  by: z
    .union([z.enum(['ip', 'principal']), z.strictObject({ header: z.string().min(1) })])
    .describe('What is counted: ip, principal or { header: name }.'),
  ratePerSecond: z.number().positive().describe('Requests a second.'),
  burst: positive.exactOptional().describe('Requests that may come at once. Default those of a second.'),
  maxKeys: positive.exactOptional().describe('Keys remembered; the least recently used starts afresh. Default 10000.'),
})

const behaviour = {
  envelope: z
    .enum(['nats-proxy', 'headers', 'publish'])
    .exactOptional()
    .describe('How request and reply travel. Default nats-proxy.'),
  timeout: duration.exactOptional().describe('Until when a reply must have come.'),
  maxBody: size.exactOptional().describe('Largest request body.'),
  auth: z.boolean().exactOptional().describe('An authenticated caller is required.'),
  requestHeaders: headerRules.exactOptional().describe('Headers towards NATS.'),
  replyHeaders: headerRules.exactOptional().describe('Headers towards the client.'),
  publish: publish.exactOptional().describe('For envelope: publish.'),
  retry: retry.exactOptional().describe('When a request is sent again.'),
  rateLimit: z
    .union([rateLimit, z.array(rateLimit)])
    .exactOptional()
    .describe('One limit or several.'),
}

const behaviourNames = { timeout: 'timeoutMs', maxBody: 'maxBodyBytes' } as const

const route = z
  .strictObject({
    path: z.string().min(1).describe('/orders/{id}; {rest*} at the end takes what is left.'),
    method: z.union([z.string(), names]).exactOptional().describe('One method or several; default any.'),
    subject: z.string().min(1).exactOptional().describe('orders.{id}.get; default as nats-proxy maps paths.'),
    params: z.record(z.string(), param).exactOptional().describe('Rules for the values of the path.'),
    ...behaviour,
  })
  .transform((value) => renameKeys(value, behaviourNames))

const defaultRoute = z
  .strictObject({
    prefix: z.string().min(1).exactOptional().describe('The subject is <prefix>.{method}.{path*}.'),
    ...behaviour,
  })
  .transform((value) => renameKeys(value, behaviourNames))

const restNames = {
  timeout: 'timeoutMs',
  maxBody: 'maxBodyBytes',
  maxUrl: 'maxUrlBytes',
  maxHeader: 'maxHeaderBytes',
  maxSubject: 'maxSubjectBytes',
  maxUnconfirmed: 'maxUnconfirmedBytes',
} as const

/** The section `rest`: every plain-data option of `restProxy()`, durations and sizes with units. */
export const restSchema: z.ZodType<RestConfig> = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/([^?#*]*[^/?#*])?$/, 'must begin with "/" and, but for "/" itself, not end with one')
      .default('/')
      .describe('Where the proxy is mounted.'),
    routes: z.array(route).exactOptional().describe('Paths and where their requests go.'),
    defaultRoute: z
      .union([z.literal(false), defaultRoute])
      .exactOptional()
      .describe('Takes every path that no route takes; false answers 404. Default { envelope: nats-proxy }.'),
    timeout: duration
      .exactOptional()
      .describe(
        'Until when a reply must have come. Default nats.requestTimeout, else 10s for nats-proxy and 5s for the others.',
      ),
    maxBody: size.exactOptional().describe('Largest request body. Default limits.body.max.'),
    trailingSlash: z.enum(['reject', 'strip']).exactOptional().describe('strip serves /a/ as /a. Default reject: 404.'),
    dangerouslyAllowReserved: z
      .boolean()
      .exactOptional()
      .describe('Subjects of routes may begin with $ or _. Default false.'),
    maxUrl: size.exactOptional().describe('Longest request target. Default limits.url.max.'),
    maxHeader: size.exactOptional().describe('Largest header block. Default limits.headers.max.'),
    maxHeaders: positive.exactOptional().describe('Most header lines. Default limits.headers.count.'),
    maxSubject: size.exactOptional().describe('Longest subject; above: 414. Default 1KiB.'),
    maxSubjectTokens: positive.exactOptional().describe('Most tokens of a subject; above: 414. Default 32.'),
    maxInFlight: positive.exactOptional().describe('Requests under way at once; above: 503. Default 10000.'),
    maxUnconfirmed: size
      .exactOptional()
      .describe('Bytes published without confirmation on their way; above: 503. Default 1MiB.'),
  })
  .transform((value) => renameKeys(value, restNames))

/** Turns the name of an option, as errors of the proxy spell it, into the key of the configuration. */
export function restKeyOfOption(option: string): string {
  return option.replace(/(Ms|Bytes)$/, '')
}
