// SPDX-License-Identifier: Apache-2.0
import { isAllowed } from '../authorize.ts'
import type { OperationView } from '../operation.ts'
import { Verb } from '../operation.ts'
import { parsePattern } from '../pattern.ts'
import type { Denial } from '../policy/denial.ts'
import { subscribeText } from '../policy/permission-policy.ts'
import { WireError } from '../wire-error.ts'
import { type Decision, forward } from './decision.ts'
import type { Effect, Outcome } from './flow.ts'
import { replaceCommand } from './replacement.ts'
import { keptView, subscribeOperation, unsubscribeOperation } from './seen-operation.ts'
import type { Session } from './session.ts'

const anyPattern = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** Decides about each SUB and UNSUB, and keeps the table of subscriptions. */
export class SubscribeJudge {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  judge(view: OperationView): Outcome {
    const session = this.#session
    if (session.judgesSubscriptions) {
      if (view.bareCr) return () => session.closing.failInTurn(new WireError('bare_cr', 'a CR inside an argument'))
      const denial = session.policy.policies.verbs?.check(view)
      if (denial !== undefined && session.audit.denies(denial, view)) return session.answers.denial(denial)
    }
    return view.verb === Verb.SUB ? this.#subscribe(view) : this.#unsubscribe(view)
  }

  #subscribe(view: OperationView): Outcome {
    const session = this.#session
    // The server has its own words for a subject that is none; nothing is subscribed.
    if (!isServerSubject(view)) return undefined
    const denial = this.#limit(view)
    if (denial !== undefined && session.audit.denies(denial, view)) return session.answers.denial(denial)
    const { onSubscribe } = session.hooks
    if (onSubscribe === undefined) return this.#permit(view)
    const { subject, queue } = view
    if (!view.isUtf8) return session.answers.refusal(subscribeText(subject, queue))
    const result = session.hookCalls.ask('onSubscribe', () => onSubscribe(subscribeOperation(view), session))
    return this.#whenDecided(result, view, (decision, seen) => this.#decidedSubscribe(decision, seen))
  }

  #limit(view: OperationView): Denial | undefined {
    const { subscriptions, limits } = this.#session
    const rest = { policy: 'subscription', closes: false, dryRun: false } as const
    if (subscriptions.size >= limits.maxSubscriptions && subscriptions.find(view) === undefined) {
      const text = 'maximum subscriptions exceeded'
      return { ...rest, rule: 'limits.maxSubscriptions', code: 'too_many_subscriptions', text }
    }
    const { tokens, wildcards } = countTokens(view)
    const text = `${subscribeText(view.subject, view.queue)}, too many tokens`
    if (tokens > limits.maxSubjectTokens) {
      return { ...rest, rule: 'limits.maxSubjectTokens', code: 'subscribe_denied', text }
    }
    if (wildcards <= limits.maxWildcards) return undefined
    return {
      ...rest,
      rule: 'limits.maxWildcards',
      code: 'subscribe_denied',
      text: subscribeText(view.subject, view.queue),
    }
  }

  #whenDecided(
    result: Decision | Promise<Decision>,
    view: OperationView,
    decided: (decision: Decision, view: OperationView) => Outcome,
  ): Outcome {
    if (!(result instanceof Promise)) return decided(result, view)
    const kept = keptView(view)
    return result.then((decision) => decided(decision, kept))
  }

  #decidedSubscribe(decision: Decision, view: OperationView): Outcome {
    const session = this.#session
    switch (decision.action) {
      case 'forward':
        return this.#permit(view)
      case 'delay':
        return this.#delay(decision, view, (after, kept) => this.#decidedSubscribe(after, kept))
      case 'replace':
        return this.#replace('onSubscribe', decision, view)
      default:
        return session.answers.decision(decision, 'onSubscribe', view, () => subscribeText(view.subject, view.queue))
    }
  }

  #delay(
    { ms, after = forward() }: Extract<Decision, { action: 'delay' }>,
    view: OperationView,
    decided: (decision: Decision, view: OperationView) => Outcome,
  ): Outcome {
    const kept = keptView(view)
    return this.#session.sleep(ms).then(() => decided(after, kept))
  }

  #permit(view: OperationView): Outcome {
    const session = this.#session
    const { subject, queue } = view
    for (const check of session.policy.permissions) {
      const denial = view.isUtf8 ? check.subscribe(subject, queue) : check.refuses(subject, queue)
      if (denial !== undefined && session.audit.denies(denial, view)) return session.answers.denial(denial)
    }
    const { authorize } = session.options
    if (authorize === undefined) return this.#accept(view)
    const pattern = view.isUtf8 ? parsePattern(subject, anyPattern) : undefined
    const context = { surface: 'wire', ip: session.ip }
    const allowed = pattern !== undefined && isAllowed(authorize, session.principal, 'subscribe', pattern, context)
    if (!(allowed instanceof Promise)) return allowed ? this.#accept(view) : this.#refuse(view)
    const kept = keptView(view)
    return allowed.then((isAllowed) => (isAllowed ? this.#accept(kept) : this.#refuse(kept)))
  }

  #refuse(view: OperationView): Effect {
    const text = subscribeText(view.subject, view.queue)
    const denial = {
      policy: 'permission',
      rule: 'authorize',
      code: 'subscribe_denied',
      text,
      closes: false,
      dryRun: false,
    } as const
    this.#session.audit.denies(denial, view)
    return this.#session.answers.denial(denial)
  }

  #accept(view: OperationView): undefined {
    const session = this.#session
    const subscription = session.subscriptions.add(view, session.policy.isPartial(view.subject, view.queue))
    if (subscription !== undefined) session.audit.subscription('subscription.added', subscription)
    return undefined
  }

  #unsubscribe(view: OperationView): Outcome {
    const session = this.#session
    const { onUnsubscribe } = session.hooks
    if (onUnsubscribe === undefined) return this.#end(view)
    const result = session.hookCalls.ask('onUnsubscribe', () => onUnsubscribe(unsubscribeOperation(view), session))
    return this.#whenDecided(result, view, (decision, seen) => this.#decidedUnsubscribe(decision, seen))
  }

  #decidedUnsubscribe(decision: Decision, view: OperationView): Outcome {
    const session = this.#session
    switch (decision.action) {
      case 'forward':
        return this.#end(view)
      case 'delay':
        return this.#delay(decision, view, (after, kept) => this.#decidedUnsubscribe(after, kept))
      case 'replace':
        return this.#replace('onUnsubscribe', decision, view)
      default:
        return session.answers.decision(decision, 'onUnsubscribe', view, () => 'Unsubscribe Refused')
    }
  }

  #end(view: OperationView): Outcome {
    const session = this.#session
    const subscription = session.subscriptions.find(view)
    if (subscription === undefined || subscription.isLeaving) return undefined
    if (view.max > subscription.delivered) {
      subscription.max = view.max
      // The server would count what is dropped here.
      subscription.isOwned = session.mayDrop(subscription)
      return subscription.isOwned ? () => session.answers.ok() : undefined
    }
    session.subscriptions.leave(subscription, session.pingsAhead)
    session.audit.subscription('subscription.removed', subscription)
    return undefined
  }

  #replace(hook: string, decision: Extract<Decision, { action: 'replace' }>, view: OperationView): Outcome {
    const session = this.#session
    session.audit.replaced('hook', hook, view)
    return replaceCommand(session, hook, decision.operations, (seen) => {
      if (seen.verb === Verb.UNSUB) return this.#end(seen)
      if (seen.verb === Verb.SUB) return this.#permit(seen)
      return session.hookCalls.failed(hook, new TypeError('replace() of a SUB or UNSUB takes SUB and UNSUB only'))
    })
  }
}

const dot = 0x2e
const star = 0x2a
const greater = 0x3e

/** Whether the server takes the subject of a SUB: no empty token, `>` alone only in last place. */
function isServerSubject({ bytes, subjectStart, subjectEnd }: OperationView): boolean {
  let start = subjectStart
  for (let at = subjectStart; at <= subjectEnd; at++) {
    if (at < subjectEnd && bytes[at] !== dot) continue
    if (at === start) return false
    if (bytes[start] === greater && at === start + 1 && at < subjectEnd) return false
    start = at + 1
  }
  return true
}

function countTokens({ bytes, subjectStart, subjectEnd }: OperationView): { tokens: number; wildcards: number } {
  let tokens = 1
  let wildcards = 0
  for (let at = subjectStart; at < subjectEnd; at++) {
    const byte = bytes[at]
    if (byte === dot) tokens++
    else if (byte === star || byte === greater) wildcards++
  }
  return { tokens, wildcards }
}
