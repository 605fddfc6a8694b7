// SPDX-License-Identifier: Apache-2.0
import { type OperationView, Verb, verbName } from '../operation.ts'
import type { Denial } from '../policy/denial.ts'
import type { EventOperation, EventSubject, GatewayEvent } from './gateway-event.ts'
import type { Session } from './session.ts'
import type { Subscription } from './subscription-table.ts'

/** Counts what happens on one connection and tells the observer, without payloads and credentials. */
export class Audit {
  readonly #session: Session
  #published = 0

  constructor(session: Session) {
    this.#session = session
  }

  /** Reports what a rule found; false where the rule only reports. */
  denies(denial: Denial, view: OperationView | undefined): boolean {
    const session = this.#session
    if (!denial.dryRun) {
      session.denied++
      session.gateway.counters.stopped[denial.policy]++
    }
    if (session.gateway.isObserved) {
      const isLimit = denial.policy === 'rate' || denial.policy === 'payload' || denial.policy === 'subscription'
      const type = denial.text === undefined ? 'operation.dropped' : isLimit ? 'operation.limited' : 'operation.denied'
      const { policy: by, rule, dryRun } = denial
      this.#observe({ type, by, rule, dryRun, ...this.#operation(view) })
    }
    return !denial.dryRun
  }

  /** Reports an operation that is lost without the client being told, or refused by a hook. */
  stopped(
    type: 'operation.dropped' | 'operation.denied',
    by: 'permission' | 'hook',
    rule: string,
    view?: OperationView,
  ): void {
    const session = this.#session
    session.denied++
    session.gateway.counters.stopped[by]++
    if (session.gateway.isObserved) this.#observe({ type, by, rule, dryRun: false, ...this.#operation(view) })
  }

  /** Reports what a rule that only reports would have changed. */
  dryRun(by: 'header', rule: string, view: OperationView): void {
    if (!this.#session.gateway.isObserved) return
    this.#observe({ type: 'operation.limited', by, rule, dryRun: true, ...this.#operation(view) })
  }

  replaced(by: 'header' | 'hook', rule: string, view: OperationView): void {
    if (!this.#session.gateway.isObserved) return
    this.#observe({ type: 'operation.replaced', by, rule, ...this.#operation(view) })
  }

  subscription(type: 'subscription.added' | 'subscription.removed', { subject, queue }: Subscription): void {
    if (!this.#session.gateway.isObserved) return
    const group = queue === undefined ? {} : { queue }
    this.#observe({ type, verb: type === 'subscription.added' ? 'SUB' : 'UNSUB', subject, ...group, ...this.subject() })
  }

  /** Reports one in `samplePublishes` messages. */
  published(view: OperationView): void {
    const { gateway, options } = this.#session
    if (!gateway.isObserved || ++this.#published % options.samplePublishes !== 0) return
    this.#observe({ type: 'publish.sampled', bytes: view.totalBytes, ...this.#operation(view) })
  }

  authPassed(): void {
    const session = this.#session
    session.gateway.counters.auth.passed++
    const { name } = session.connect
    this.#observe({ type: 'auth.passed', ...(name === undefined ? {} : { name }), ...this.subject() })
  }

  authFailed(reason: string): void {
    const session = this.#session
    session.denied++
    session.gateway.counters.auth.failed++
    this.#observe({ type: 'auth.failed', reason, ...this.subject() })
  }

  hookFailed(hook: string, error: unknown): void {
    this.#session.gateway.counters.hookFailed++
    this.#observe({ type: 'hook.failed', hook, error, ...this.subject() })
  }

  /** Whom events of this connection are about. */
  subject(): EventSubject {
    const { id, ip, principal } = this.#session
    return principal === undefined ? { connection: id, ip } : { connection: id, ip, user: principal.id }
  }

  #operation(view: OperationView | undefined): EventOperation {
    if (view === undefined) return { verb: 'CONNECT', ...this.subject() }
    const verb = verbName(view.verb)
    const hasSubject = view.verb <= Verb.SUB
    return hasSubject ? { verb, subject: view.subject, ...this.subject() } : { verb, ...this.subject() }
  }

  #observe(event: GatewayEvent): void {
    this.#session.gateway.observe(event)
  }
}
