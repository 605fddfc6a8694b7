// SPDX-License-Identifier: Apache-2.0
import type { Operation, OperationView } from '../operation.ts'
import type { Principal } from '../principal.ts'
import type { Side } from '../verb-table.ts'
import { WireError } from '../wire-error.ts'
import { type Decision, type Deny, forward } from './decision.ts'
import type { CloseReport } from './close-cause.ts'
import type { Effect } from './flow.ts'
import type { HookResult } from './hooks.ts'
import { viewOf } from './seen-operation.ts'
import type { Session } from './session.ts'

const internal: Deny = Object.freeze({ action: 'deny', text: 'Internal Gateway Error', close: true })
const unknown: Deny = Object.freeze({ action: 'deny' })

/** Calls what the operator wrote: it may throw, reject or answer nonsense, and only its own client notices. */
export class HookCalls {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  /** The decision of a hook, a promise only where the hook's was; it never rejects. */
  ask(hook: string, call: () => HookResult): Decision | Promise<Decision> {
    try {
      const result = call()
      return isPromise(result) ? this.#settled(hook, result) : (result ?? forward())
    } catch (error) {
      return this.#internal(hook, error)
    }
  }

  /** Who a client is; nobody where the answer is none. */
  attempt(
    hook: string,
    call: () => Principal | Deny | undefined | Promise<Principal | Deny | undefined>,
  ): Principal | Deny | Promise<Principal | Deny> {
    try {
      const result = call()
      if (!isPromise(result)) return result ?? unknown
      return result.then(
        (answer) => answer ?? unknown,
        (error: unknown) => this.#internal(hook, error),
      )
    } catch (error) {
      return this.#internal(hook, error)
    }
  }

  /** An operation of a hook as bytes and view, or what happens because it is none. */
  encode(hook: string, operation: Operation, side: Side): OperationView | Effect {
    try {
      return viewOf(operation, side)
    } catch (error) {
      return this.failed(hook, error)
    }
  }

  /** Ends the connection for a hook that did what it must not. */
  failed(hook: string, error: unknown): Effect {
    const session = this.#session
    session.audit.hookFailed(hook, error)
    return () => session.closing.fail('internal_error', new WireError('internal', `${hook} failed`, { cause: error }))
  }

  /** Tells the hook that the connection is gone. */
  closed(report: CloseReport): void {
    const session = this.#session
    try {
      session.hooks.onClose?.(report, session)
    } catch (error) {
      session.audit.hookFailed('onClose', error)
    }
  }

  async #settled(hook: string, result: Promise<Decision | undefined | void>): Promise<Decision> {
    try {
      return (await result) ?? forward()
    } catch (error) {
      return this.#internal(hook, error)
    }
  }

  #internal(hook: string, error: unknown): Deny {
    this.#session.audit.hookFailed(hook, error)
    return internal
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return value instanceof Promise
}
