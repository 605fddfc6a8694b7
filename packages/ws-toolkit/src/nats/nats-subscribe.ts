// SPDX-License-Identifier: Apache-2.0
import { isAllowed, isReserved, parsePattern, type Authorize, type Pattern } from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import type { Handler, Reply, Site } from '../chain.ts'
import type { Connection } from '../connection.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { checkedForm, codecOf, type NatsForm } from './reply-form.ts'
import { Subscriptions } from './subscriptions.ts'
import { SubscribeRules } from './subscribe-rules.ts'

export interface NatsSubscribeOptions<U = unknown> {
  /**
   * What clients may subscribe to: subjects with wildcards, in which `{name}` stands for any one token, a last `{name*}`
   * for any number, and `{{id}} {{name}} {{ip}} {{claim.x}}` for what the principal has.
   */
  readonly allow: readonly string[]
  /** Subscriptions of one connection. Default 100. */
  readonly perConnection?: number
  /**
   * Decides, beside `allow`, in the place of the principal's permissions. Messages are filtered by these all the same, so
   * that who may have none of them is refused.
   */
  readonly authorize?: Authorize
  /** What a request asks for. Default: the message, or its member `subject`. */
  readonly subject?: (request: WsRequest<U>) => string
  /** What payloads are. Default: `auto` over `rawCodec()`, `json` over other codecs. */
  readonly as?: NatsForm
  /** The event that deliveries are, as `{ subject, data }`. Default `message`. Over `rawCodec()` they are the payload. */
  readonly event?: string
}

export interface NatsSubscribe<U = unknown> extends Handler<U> {
  /** The route that ends a subscription again. */
  readonly unsubscribe: Handler<U>
  /** Subscribes a connection, as in `onOpen`; rejects with WsError. */
  subscribe(connection: Connection<U>, subject: string): Promise<void>
  /** Subscriptions of clients, those at the broker, messages kept back for lack of permission, and those no channel can carry. */
  stats(): {
    readonly subscriptions: number
    readonly upstreams: number
    readonly denied: number
    readonly undeliverable: number
  }
  /** Ends all subscriptions. Never closes the connection to NATS. */
  close(): void
}

/**
 * Lets clients subscribe: answered once messages arrive, with one subscription at the broker for all who want the same.
 * Permission is asked for again at once after `updatePrincipals()`, and at the next delivery where a principal was set in
 * another way; without it the connection is closed (4002).
 */
export function natsSubscribe<U = unknown>(nats: NatsSource, options: NatsSubscribeOptions<U>): NatsSubscribe<U> {
  checkKeys('natsSubscribe', options, ['allow', 'perConnection', 'authorize', 'subject', 'as', 'event'])
  const subjectOf = hook('natsSubscribe.subject', options.subject) ?? askedSubject
  const rules = new SubscribeRules(options.allow)
  const authorize = hook('natsSubscribe.authorize', options.authorize)
  const subscriptions = new Subscriptions(busFrom(nats), {
    perConnection: whole('natsSubscribe.perConnection', options.perConnection ?? 100),
    wording: { as: checkedForm('natsSubscribe', options.as), event: options.event ?? 'message' },
    permits: (connection, pattern) => {
      if (!rules.allows(connection, pattern)) return false
      const { principal, path, ip } = connection
      return isAllowed(authorize, principal, 'subscribe', pattern, { surface: 'ws', route: path, ip })
    },
  })

  const handler = async (request: WsRequest<U>): Promise<Reply> => {
    const { connection } = request
    const pattern = checkedPattern(subjectOf(request))
    await subscriptions.add(connection, pattern)
    return answer(connection, pattern)
  }
  const unsubscribe = (request: WsRequest<U>): Reply => {
    const { connection } = request
    const pattern = checkedPattern(subjectOf(request))
    subscriptions.remove(connection, pattern)
    return answer(connection, pattern)
  }
  const principalChanged = (connection: Connection): void => subscriptions.recheck(connection)
  return Object.assign(handler, {
    // Where only the server subscribes, this is what the channel knows of.
    unsubscribe: Object.assign(unsubscribe, { principalChanged }),
    subscribe: async (connection: Connection<U>, subject: string) =>
      subscriptions.add(connection, checkedPattern(subject)),
    mount: (site: Site) => subscriptions.mount(site),
    principalChanged,
    stats: () => subscriptions.stats(),
    close: () => subscriptions.close(),
  })
}

function askedSubject({ data }: WsRequest): string {
  if (typeof data === 'string') return data
  const subject: unknown =
    typeof data === 'object' && data !== null && Object.hasOwn(data, 'subject')
      ? Reflect.get(data, 'subject')
      : undefined
  if (typeof subject === 'string') return subject
  throw new WsError('invalid_params', { message: 'the message names no subject' })
}

function checkedPattern(text: string): Pattern {
  const pattern = typeof text === 'string' ? parsePattern(text) : undefined
  if (pattern === undefined) throw new WsError('invalid_params', { message: 'what is asked for is no subject' })
  if (isReserved(pattern)) throw new WsError('reserved_subject')
  return pattern
}

/** A channel without words for answers would send it as a message. */
function answer(connection: Connection, subject: Pattern): Reply {
  return codecOf(connection)?.name === 'raw' ? undefined : { subject }
}
