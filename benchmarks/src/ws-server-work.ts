// SPDX-License-Identifier: Apache-2.0

/** What a server of the WebSocket rows does with a message. */
export type ServerTask =
  | { readonly kind: 'echo' }
  /** Every message makes it send `burst` messages to every connection. */
  | { readonly kind: 'broadcast'; readonly burst: number; readonly message: string }
  /** Answers with what an HTTP service says. */
  | { readonly kind: 'http'; readonly origin: string }
  /** Answers with what a service behind a broker says. */
  | { readonly kind: 'nats'; readonly url: string; readonly subject: string }

/** The first argument of such a server, as JSON. */
export interface ServerWork {
  readonly task: ServerTask
  /** How our side gets its upgrades: through Hono on @hono/node-server, or with a listener of its own on node:http. */
  readonly binding: 'mount' | 'attach'
  /** What our side understands of messages. */
  readonly codec: 'raw' | 'json'
  /** How often every connection is pinged. Default what each server does by itself. */
  readonly heartbeatMs?: number | undefined
}

/** The path every server of these rows listens on. */
export const benchPath = '/bench'

const kinds: readonly unknown[] = ['echo', 'broadcast', 'http', 'nats'] satisfies ServerTask['kind'][]

/** Reads what a row has written; throws where it makes no sense. */
export function parseServerWork(text: string | undefined): ServerWork {
  const work: unknown = JSON.parse(text ?? 'null')
  const task: unknown = typeof work === 'object' && work !== null ? Reflect.get(work, 'task') : undefined
  const kind: unknown = typeof task === 'object' && task !== null ? Reflect.get(task, 'kind') : undefined
  if (kinds.includes(kind)) return work as ServerWork
  throw new TypeError(`a server of the WebSocket rows cannot do ${text}`)
}
