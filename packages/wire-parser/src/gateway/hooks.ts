// SPDX-License-Identifier: Apache-2.0
import type { Connect, ServerInfo } from '../connect-json.ts'
import type { Operation } from '../operation.ts'
import type { CloseReport } from './close-cause.ts'
import { checkFunction, checkKeys } from '../policy/option-check.ts'
import type { Decision } from './decision.ts'
import type { WireConnection } from './wire-connection.ts'

export type PublishOperation = Extract<Operation, { readonly verb: 'PUB' | 'HPUB' }>
export type DeliverOperation = Extract<Operation, { readonly verb: 'MSG' | 'HMSG' }>
export type SubscribeOperation = Extract<Operation, { readonly verb: 'SUB' }>
export type UnsubscribeOperation = Extract<Operation, { readonly verb: 'UNSUB' }>

/** What a hook returns, at once or later; nothing forwards. */
export type HookResult = Decision | undefined | void | Promise<Decision | undefined | void>

/** Sees whole operations. Payload and headers are views, valid until it has settled. */
export type Hook<Seen> = (seen: Seen, connection: WireConnection) => HookResult

/** What the control line of a message says, its payload left aside. */
export interface ControlLine {
  readonly verb: 'PUB' | 'HPUB' | 'MSG' | 'HMSG'
  readonly subject: string
  readonly replyTo: string | undefined
  /** Of MSG and HMSG, else ''. */
  readonly sid: string
  /** -1 without headers. */
  readonly headerBytes: number
  readonly totalBytes: number
}

/** Decides on the control line, so that large payloads stream through. */
export interface ControlLineHook {
  readonly on: 'control-line'
  readonly handle: Hook<ControlLine>
}

/** Functions of the operator's, asked in the order in which the operations of a direction came. */
export interface WireHooks {
  /** A client has connected, nothing is dialled yet. */
  readonly onAccept?: (connection: WireConnection) => HookResult
  /** The server's INFO, before it is rewritten; the first one and every later one. */
  readonly onInfo?: Hook<ServerInfo>
  /** Every CONNECT, with its own fields only; `connection.connect` holds what was said before. */
  readonly onConnect?: Hook<Connect>
  readonly onPublish?: Hook<PublishOperation> | ControlLineHook
  readonly onSubscribe?: Hook<SubscribeOperation>
  readonly onUnsubscribe?: Hook<UnsubscribeOperation>
  /** A message on its way to the client. */
  readonly onMessage?: Hook<DeliverOperation> | ControlLineHook
  /** Both sides are gone. */
  readonly onClose?: (report: CloseReport, connection: WireConnection) => void
}

const plain = ['onAccept', 'onInfo', 'onConnect', 'onSubscribe', 'onUnsubscribe', 'onClose'] as const
const messages = ['onPublish', 'onMessage'] as const

/** Checks the hooks; throws TypeError naming the one that is none. */
export function resolveHooks(where: string, hooks: WireHooks): WireHooks {
  checkKeys(where, hooks, [...plain, ...messages])
  for (const name of plain) checkFunction(`${where}.${name}`, hooks[name])
  for (const name of messages) {
    const hook = hooks[name]
    if (hook === undefined || typeof hook === 'function') continue
    checkKeys(`${where}.${name}`, hook, ['on', 'handle'])
    if (hook.on !== 'control-line' || typeof hook.handle !== 'function') {
      throw new TypeError(`${where}.${name} must be a function, or { on: 'control-line', handle }`)
    }
  }
  return Object.freeze({ ...hooks })
}
