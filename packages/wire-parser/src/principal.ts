// SPDX-License-Identifier: Apache-2.0
import type { Permissions } from './permissions.ts'

/** Who is asking, as an authentication step found out; kept in Hono's context variable `principal`. */
export interface Principal {
  /** `<provider>:<subject>`: unique across providers and equal on all edges. */
  readonly id: string
  readonly name: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly permissions: Permissions
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number
  readonly natsCredentials?: NatsCredentials
}

/** What a principal logs in to NATS with when it does not share the common connection. */
export type NatsCredentials =
  | { readonly type: 'user'; readonly user: string; readonly password: string }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'creds'; readonly creds: string }
  | { readonly type: 'nkey'; readonly seed: string }
