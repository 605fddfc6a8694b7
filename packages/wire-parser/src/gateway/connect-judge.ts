// SPDX-License-Identifier: Apache-2.0
import { isRefusal } from '../admission.ts'
import { type Connect, connectFault, decodeConnect } from '../connect-json.ts'
import { patchJson } from '../json-patch.ts'
import { type OperationView, Verb } from '../operation.ts'
import type { Principal } from '../principal.ts'
import { WireError } from '../wire-error.ts'
import { type Decision, type Deny, forward } from './decision.ts'
import type { Effect, Outcome } from './flow.ts'
import type { Session } from './session.ts'
import { endSubscriptions } from './subscription-end.ts'

/** Decides about every CONNECT, the second as well: hook, who it is, how many of them there may be. */
export class ConnectJudge {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  judge(view: OperationView): Outcome {
    const session = this.#session
    const json = new Uint8Array(view.json)
    const connect = decodeConnect(json)
    if (connect === undefined)
      return () => session.closing.failInTurn(new WireError('bad_connect', 'the JSON of CONNECT'))
    if (!session.judgesConnect) return () => this.#accept(json, connect, session.principal)
    // Another reader could take another value for the same field: then it is not known who would be judged.
    const fault = connectFault(json)
    if (fault !== undefined) return this.#deny(`CONNECT: ${fault}`, { action: 'deny' })
    const { onConnect } = session.hooks
    if (onConnect === undefined) return this.#authenticate(json, connect)
    const result = session.hookCalls.ask('onConnect', () => onConnect(connect, session))
    if (!(result instanceof Promise)) return this.#decided(result, json, connect)
    return result.then((decision) => this.#decided(decision, json, connect))
  }

  #decided(decision: Decision, json: Uint8Array, connect: Connect): Outcome {
    const session = this.#session
    switch (decision.action) {
      case 'forward':
        return this.#authenticate(json, connect)
      case 'delay': {
        const { ms, after = forward() } = decision
        return session.sleep(ms).then(() => this.#decided(after, json, connect))
      }
      case 'replace':
        return this.#replace(decision, connect)
      case 'deny':
        return this.#deny('onConnect', decision)
      default:
        return session.answers.decision(decision, 'onConnect', undefined, () => 'Authorization Violation')
    }
  }

  /** What the server is told is the hook's; what was understood of the client stays the client's. */
  #replace({ operations }: Extract<Decision, { action: 'replace' }>, connect: Connect): Outcome {
    const session = this.#session
    const only = operations[0]
    if (operations.length !== 1 || only?.verb !== 'CONNECT') {
      return session.hookCalls.failed('onConnect', new TypeError('replace() of a CONNECT takes one CONNECT'))
    }
    const view = session.hookCalls.encode('onConnect', only, 'client')
    if (typeof view === 'function') return view
    const replaced = decodeConnect(view.json)
    if (replaced === undefined)
      return session.hookCalls.failed('onConnect', new TypeError('replace(): the JSON of CONNECT'))
    return this.#authenticate(view.json, { ...connect, ...replaced })
  }

  #authenticate(json: Uint8Array, connect: Connect): Outcome {
    const session = this.#session
    const { authenticate } = session.options
    if (authenticate === undefined) return this.#identify(json, connect, session.principal)
    const merged = { ...session.connect, ...connect }
    const result = session.hookCalls.attempt('authenticate', () => authenticate(merged, session))
    if (!(result instanceof Promise)) return this.#authenticated(result, json, connect)
    return result.then((answer) => this.#authenticated(answer, json, connect))
  }

  #authenticated(answer: Principal | Deny, json: Uint8Array, connect: Connect): Outcome {
    if ('action' in answer) return this.#deny('authenticate', answer)
    if (answer.expiresAt !== undefined && answer.expiresAt <= Date.now()) {
      const error = new WireError('auth_expired', 'the credential has expired')
      return () => this.#session.closing.fail('credential_expired', error)
    }
    return this.#identify(json, connect, answer)
  }

  #identify(json: Uint8Array, connect: Connect, principal: Principal | undefined): Outcome {
    const session = this.#session
    const isNew = principal !== undefined && principal.id !== session.identifiedAs
    const refusal = isNew ? session.permit.identify(principal.id) : undefined
    if (refusal !== undefined && isRefusal(refusal)) {
      const text = 'maximum account active connections exceeded'
      return () => session.closing.fail('denied', new WireError('too_many_connections', 'of this principal', { text }))
    }
    if (isNew) session.identifiedAs = principal.id
    return () => this.#accept(json, connect, principal)
  }

  #accept(json: Uint8Array, connect: Connect, principal: Principal | undefined): void {
    const session = this.#session
    const isAnother = principal?.id !== session.principal?.id
    const isFirst = !session.hasConnected
    session.connected(connect, principal)
    // What is added to a message is a header, which the server takes from clients only that can read them.
    const patched = session.addsHeaders ? patchJson(json, { headers: true }) : undefined
    session.isServerTold = patched !== undefined || session.connect.headers === true
    session.adopt(principal)
    const line = Buffer.concat([Buffer.from('CONNECT '), patched ?? json, Buffer.from('\r\n')])
    session.sendToBackend(Verb.CONNECT, line)
    if (!isFirst) endSubscriptions(session, isAnother)
  }

  #deny(reason: string, { text = 'Authorization Violation' }: Deny): Effect {
    const session = this.#session
    return () => {
      session.audit.authFailed(reason)
      session.closing.fail('denied', new WireError('authorization', reason, { text }))
    }
  }
}
