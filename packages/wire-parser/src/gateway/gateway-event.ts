// SPDX-License-Identifier: Apache-2.0
import type { PolicyName } from '../policy/denial.ts'
import type { CloseReport } from './close-cause.ts'

/** Whom an event is about. */
export interface EventSubject {
  readonly connection: string
  readonly ip: string
  /** `Principal.id`. */
  readonly user?: string
}

/** An operation of an event; the subject is missing where it has none. */
export interface EventOperation extends EventSubject {
  readonly verb: string
  readonly subject?: string
}

/** What happens in the gateway. No event holds a payload, a header or anything a client logs in with. */
export type GatewayEvent =
  | { readonly type: 'listener.error'; readonly listener: string; readonly error: unknown }
  | { readonly type: 'connection.refused'; readonly ip: string; readonly reason: RefusalReason }
  | ({ readonly type: 'connection.opened'; readonly transport: 'tcp' | 'ws'; readonly listener: string } & EventSubject)
  | ({ readonly type: 'connection.closed' } & EventSubject & CloseReport)
  | ({ readonly type: 'tls.failed'; readonly error: unknown } & EventSubject)
  | ({ readonly type: 'auth.passed'; readonly name?: string } & EventSubject)
  | ({ readonly type: 'auth.failed'; readonly reason: string } & EventSubject)
  | ({
      readonly type: 'operation.denied' | 'operation.dropped' | 'operation.limited'
      /** The policy, or `hook`. */
      readonly by: PolicyName | 'hook'
      /** The rule by its place in the options, or the hook's name. */
      readonly rule: string
      /** True: it was only reported, and went on. */
      readonly dryRun: boolean
    } & EventOperation)
  | ({ readonly type: 'operation.replaced'; readonly by: 'header' | 'hook'; readonly rule: string } & EventOperation)
  | ({ readonly type: 'subscription.added' | 'subscription.removed'; readonly queue?: string } & EventOperation)
  | ({ readonly type: 'publish.sampled'; readonly bytes: number } & EventOperation)
  | ({ readonly type: 'hook.failed'; readonly hook: string; readonly error: unknown } & EventSubject)
  | ({ readonly type: 'backend.connected'; readonly backend: string; readonly ms: number } & EventSubject)
  | ({
      readonly type: 'backend.failed' | 'backend.lost'
      readonly backend: string
      readonly error: unknown
    } & EventSubject)

/** Why a client was turned away before anything was spent on it. */
export type RefusalReason = 'address' | 'rate' | 'pending' | 'admission' | 'draining'
