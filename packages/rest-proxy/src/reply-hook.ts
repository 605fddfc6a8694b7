// SPDX-License-Identifier: Apache-2.0
import { checkFunction, show } from './option-check.ts'
import { ProxyError } from './proxy-error.ts'
import { type Reply, ReplyHeaders } from './reply.ts'
import { safePattern } from './safe-pattern.ts'

/** A reply while hooks run on it. Everything may be changed; nothing of it is shared with another request. */
export interface HookReply {
  status: number
  body: Uint8Array
  /** nats-proxy's DoUpgrade; counts on WebSocket handshakes only. */
  upgrade: boolean
  readonly headers: ReplyHeaders
}

/** The request a hook's reply belongs to. */
export interface HookRequest {
  readonly method: string
  /** The percent-decoded path below the mount point, without query. */
  readonly path: string
  readonly query: string
  /** The template of the route. */
  readonly route: string
  readonly requestId: string
  /** The first value of a request header; the name is without case. */
  header(name: string): string | undefined
}

/** Runs after the reply and before it is written. A throw or rejection answers 500. */
export type ReplyHook = (reply: HookReply, request: HookRequest) => void | Promise<void>

interface Entry {
  readonly pattern: RegExp
  readonly hook: ReplyHook
}

/** The hooks of a proxy in the order of their registration. */
export class ReplyHooks {
  readonly #entries: Entry[] = []

  /** Throws TypeError for a pattern that does not compile or could take exponential time. */
  add(pattern: RegExp | string, hook: ReplyHook): void {
    if (checkFunction('addHook: hook', hook) === undefined) throw new TypeError('addHook: hook must be a function')
    this.#entries.push({ pattern: safePattern('addHook: pattern', pattern), hook })
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** The hooks whose pattern is found in the decoded path. */
  matching(path: string): ReplyHook[] {
    return this.#entries.filter(({ pattern }) => pattern.test(path)).map(({ hook }) => hook)
  }
}

/** Runs hooks one after the other and returns what they made of the reply. */
export async function runHooks(hooks: readonly ReplyHook[], reply: Reply, request: HookRequest): Promise<Reply> {
  const { status, body, upgrade } = reply
  const view: HookReply = { status, body, upgrade, headers: new ReplyHeaders(reply.headers) }
  try {
    for (const hook of hooks) await hook(view, request)
    if (!(view.body instanceof Uint8Array)) throw new TypeError(`a hook set body to ${show(view.body)}, not to bytes`)
  } catch (error) {
    throw new ProxyError('internal', { detail: 'A reply hook failed.', cause: error })
  }
  return { status: view.status, body: view.body, upgrade: view.upgrade, headers: view.headers.toFlat() }
}
