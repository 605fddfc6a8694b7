// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import { Verb } from '../operation.ts'
import { type Decision, forward } from './decision.ts'
import type { Effect, Outcome } from './flow.ts'
import { withHeaders } from './message-rewrite.ts'
import { controlLine, deliverOperation, keptView, operationBytes } from './seen-operation.ts'
import type { Session } from './session.ts'
import type { Subscription } from './subscription-table.ts'

const noHeaders = new Uint8Array(0)

/** Decides about each MSG and HMSG on its way to the client: delivery permissions, hook, headers. */
export class DeliveryJudge {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  get needsPayload(): boolean {
    const { hooks, stripsDeliveries } = this.#session
    return typeof hooks.onMessage === 'function' || stripsDeliveries
  }

  judge(view: OperationView, subscription: Subscription | undefined): Outcome {
    const session = this.#session
    // There is nothing left to say whether it may be delivered.
    if (subscription === undefined) return session.knowsDeliveries ? nothing : undefined
    if (subscription.isEnded) return nothing
    if (subscription.isPartial && !session.policy.delivers(view)) {
      return session.answers.loss('permission', 'deliver', view)
    }
    const { onMessage } = session.hooks
    if (onMessage === undefined) return this.#deliver(view, subscription)
    const result =
      typeof onMessage === 'function'
        ? session.hookCalls.ask('onMessage', () => onMessage(deliverOperation(view), session))
        : session.hookCalls.ask('onMessage', () => onMessage.handle(controlLine(view), session))
    if (!(result instanceof Promise)) return this.#decided(result, view, subscription)
    const kept = keptView(view)
    return result.then((decision) => this.#decided(decision, kept, subscription))
  }

  #decided(decision: Decision, view: OperationView, subscription: Subscription): Outcome {
    const session = this.#session
    switch (decision.action) {
      case 'forward':
        return this.#deliver(view, subscription)
      case 'drop':
        return session.answers.loss('hook', 'onMessage', view)
      case 'deny':
        return decision.close === true
          ? session.answers.decision(decision, 'onMessage', view, () => 'Authorization Violation')
          : session.answers.loss('hook', 'onMessage', view)
      case 'delay': {
        const kept = keptView(view)
        const { after = forward() } = decision
        return session.sleep(decision.ms).then(() => this.#decided(after, kept, subscription))
      }
      default:
        return this.#replace(decision, view, subscription)
    }
  }

  #deliver(view: OperationView, subscription: Subscription): Outcome {
    const session = this.#session
    session.policy.delivered(view)
    if (view.verb !== Verb.HMSG || !session.stripsDeliveries) return undefined
    const bytes = withHeaders(view, noHeaders)
    return () => session.deliver(Verb.MSG, bytes, subscription)
  }

  // Towards the client `replace` and `respond` are the same: other operations come instead.
  #replace(
    decision: Extract<Decision, { action: 'replace' | 'respond' }>,
    view: OperationView,
    subscription: Subscription,
  ): Outcome {
    const session = this.#session
    session.audit.replaced('hook', 'onMessage', view)
    const effects = decision.operations.map((operation): Effect => {
      const seen = session.hookCalls.encode('onMessage', operation, 'server')
      if (typeof seen === 'function') return seen
      const bytes = operationBytes(seen)
      return () => session.deliver(seen.verb, bytes, subscription)
    })
    return () => {
      for (const effect of effects) effect()
    }
  }
}

function nothing(): void {}
