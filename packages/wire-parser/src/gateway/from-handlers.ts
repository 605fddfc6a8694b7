// SPDX-License-Identifier: Apache-2.0
import type { Connect, ServerInfo } from '../connect-json.ts'
import type { Operation } from '../operation.ts'
import { checkBoolean, checkFunction, checkKeys } from '../policy/option-check.ts'
import { type Decision, type Deny, deny, drop, replace } from './decision.ts'
import type {
  DeliverOperation,
  PublishOperation,
  SubscribeOperation,
  UnsubscribeOperation,
  WireHooks,
} from './hooks.ts'
import type { WireConnection } from './wire-connection.ts'

/**
 * Returns nothing, or an operation to go on in place of the one it got; throws to refuse. An error whose `code` is
 * `authorization` closes the connection with `Authorization Violation`.
 */
export type Handler<Seen> = (
  seen: Seen,
  connection: WireConnection,
) => Operation | undefined | void | Promise<Operation | undefined | void>

/** Handlers in the manner of gnatsd-gw, one for each command. */
export interface Handlers {
  readonly onInfo?: Handler<ServerInfo>
  readonly onConnect?: Handler<Connect>
  readonly onPublish?: Handler<PublishOperation>
  readonly onSubscribe?: Handler<SubscribeOperation>
  readonly onUnsubscribe?: Handler<UnsubscribeOperation>
  readonly onMsg?: Handler<DeliverOperation>
}

export interface FromHandlersOptions {
  /** Whether an error of `onPublish` closes the connection, as the README of gnatsd-gw says. Default false, as its code does. */
  readonly closeOnError?: boolean
}

const names = ['onInfo', 'onConnect', 'onPublish', 'onSubscribe', 'onUnsubscribe', 'onMsg'] as const

/** Makes hooks of handlers: what they return replaces, what they throw refuses. */
export function fromHandlers(handlers: Handlers, options: FromHandlersOptions = {}): WireHooks {
  checkKeys('fromHandlers handlers', handlers, names)
  checkKeys('fromHandlers options', options, ['closeOnError'])
  for (const name of names) checkFunction(`fromHandlers ${name}`, handlers[name])
  const closeOnError = checkBoolean('fromHandlers closeOnError', options.closeOnError, false)
  const { onInfo, onConnect, onPublish, onSubscribe, onUnsubscribe, onMsg } = handlers
  return {
    ...(onInfo && { onInfo: hookOf(onInfo, closing) }),
    ...(onConnect && { onConnect: hookOf(onConnect, closing) }),
    ...(onPublish && { onPublish: hookOf(onPublish, (error) => refusal(error, closeOnError)) }),
    ...(onSubscribe && { onSubscribe: hookOf(onSubscribe, closing) }),
    ...(onUnsubscribe && { onUnsubscribe: hookOf(onUnsubscribe, closing) }),
    ...(onMsg && { onMessage: hookOf(onMsg, (error) => (isAuthorization(error) ? refusal(error, true) : drop())) }),
  }
}

function hookOf<Seen>(
  handler: Handler<Seen>,
  refuse: (error: unknown) => Decision,
): (seen: Seen, connection: WireConnection) => Decision | undefined | Promise<Decision | undefined> {
  return (seen, connection) => {
    try {
      const result = handler(seen, connection)
      if (!(result instanceof Promise)) return replacement(result)
      return result.then(replacement, refuse)
    } catch (error) {
      return refuse(error)
    }
  }
}

function closing(error: unknown): Deny {
  return refusal(error, true)
}

function replacement(operation: Operation | undefined | void): Decision | undefined {
  return operation === undefined ? undefined : replace(operation)
}

function refusal(error: unknown, close: boolean): Deny {
  if (isAuthorization(error)) return deny('Authorization Violation', { close: true })
  const text = error instanceof Error ? error.message : String(error)
  return deny(text.replaceAll(/[\r\n]+/g, ' '), { close })
}

// By code: an error may come from another copy of this package.
function isAuthorization(error: unknown): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, 'code') === 'authorization'
}
