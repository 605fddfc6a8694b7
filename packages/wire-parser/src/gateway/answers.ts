// SPDX-License-Identifier: Apache-2.0
import { encodeOperation } from '../encode.ts'
import type { OperationView } from '../operation.ts'
import type { Denial } from '../policy/denial.ts'
import { WireError } from '../wire-error.ts'
import type { Deny, Drop, Respond } from './decision.ts'
import type { Effect } from './flow.ts'
import { operationBytes } from './seen-operation.ts'
import type { Session } from './session.ts'

const ok = Buffer.from('+OK\r\n', 'latin1')

/** What the gateway says to the client itself, in the place the server's answer would have. */
export class Answers {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  /** The +OK of a command that did not go to the server. */
  ok(): void {
    const session = this.#session
    if (session.isVerbose) session.acks.answer(() => session.insertToClient(ok))
  }

  /** An -ERR that leaves the connection open. */
  error(text: string): void {
    const session = this.#session
    const bytes = errorLine(text)
    if (session.isVerbose) session.acks.answer(() => session.insertToClient(bytes))
    else session.insertToClient(bytes)
  }

  /** The next `commands` to the server get one answer together; none where the client has one already. */
  group(commands: number, isAnswered: boolean): void {
    const session = this.#session
    if (commands === 0 && !isAnswered) this.ok()
    else if (session.isVerbose && commands > 0) session.acks.group(commands, isAnswered)
  }

  /** Carries out what a policy has found. */
  denial({ code, text, closes, policy, rule }: Denial): Effect {
    const session = this.#session
    if (text === undefined) return () => this.ok()
    if (!closes) return () => this.error(text)
    return () => session.closing.failInTurn(new WireError(code, `${policy}: ${rule}`, { text, closes }))
  }

  /** Refuses an operation that no rule could be asked about. */
  refusal(text: string): Effect {
    return () => {
      this.#session.denied++
      this.error(text)
    }
  }

  /** Loses a delivery. */
  loss(by: 'permission' | 'hook', rule: string, view: OperationView): Effect {
    this.#session.audit.stopped('operation.dropped', by, rule, view)
    return nothing
  }

  /** Carries out what a hook decided, where that does not depend on the verb. */
  decision(decision: Drop | Deny | Respond, hook: string, view: OperationView | undefined, text: () => string): Effect {
    if (decision.action === 'respond') return this.#respond(decision, hook)
    const { audit } = this.#session
    if (decision.action === 'drop') {
      audit.stopped('operation.dropped', 'hook', hook, view)
      return () => this.ok()
    }
    audit.stopped('operation.denied', 'hook', hook, view)
    return this.#deny(decision, hook, decision.text ?? text())
  }

  #deny({ close }: Deny, hook: string, text: string): Effect {
    const { closing } = this.#session
    if (close !== true) return () => this.error(text)
    return () => closing.failInTurn(new WireError('authorization', `${hook} denies it`, { text }))
  }

  #respond({ operations }: Respond, hook: string): Effect {
    const session = this.#session
    const views = operations.map((operation) => session.hookCalls.encode(hook, operation, 'server'))
    const failed = views.find((view) => typeof view === 'function')
    if (typeof failed === 'function') return failed
    const pieces = views.flatMap((view) => (typeof view === 'function' ? [] : [operationBytes(view)]))
    const isAnswer = operations.some(({ verb }) => verb === '+OK' || verb === '-ERR')
    return () => {
      if (!isAnswer) this.ok()
      for (const piece of pieces) session.insertToClient(piece)
    }
  }
}

/** A line that says what is wrong. A subject that is quoted may hold anything but a line end. */
export function errorLine(text: string): Uint8Array {
  return encodeOperation({ verb: '-ERR', text: text.replaceAll(/[\r\n]/g, ' ') })
}

function nothing(): void {}
