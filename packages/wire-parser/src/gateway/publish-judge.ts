// SPDX-License-Identifier: Apache-2.0
import { isAllowed } from '../authorize.ts'
import { type OperationView, Verb } from '../operation.ts'
import { publishText } from '../policy/permission-policy.ts'
import { parseSubject } from '../subject.ts'
import { WireError } from '../wire-error.ts'
import { type Decision, forward } from './decision.ts'
import type { Effect, Outcome } from './flow.ts'
import { withHeaders } from './message-rewrite.ts'
import { replaceCommand } from './replacement.ts'
import { controlLine, keptView, publishOperation } from './seen-operation.ts'
import type { Session } from './session.ts'

const anySubject = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** Decides about each PUB and HPUB: verbs, rates, hook, permissions, payload bounds and headers, in this order. */
export class PublishJudge {
  readonly #session: Session
  /** Whether the decision just made has to be waited for before anything behind it is looked at. */
  isBarrier = false

  constructor(session: Session) {
    this.#session = session
  }

  /** Whether the decision needs the payload, or only the control line. */
  get needsPayload(): boolean {
    const { hooks, policy } = this.#session
    return typeof hooks.onPublish === 'function' || policy.headers !== undefined
  }

  judge(view: OperationView): Outcome {
    const session = this.#session
    this.isBarrier = false
    if (!session.judgesPublish) return undefined
    if (view.bareCr) return () => session.closing.failInTurn(new WireError('bare_cr', 'a CR inside an argument'))
    const denial = session.policy.policies.verbs?.check(view)
    if (denial !== undefined && session.audit.denies(denial, view)) return session.answers.denial(denial)
    return this.#rate(view, 0)
  }

  #rate(view: OperationView, from: number): Outcome {
    const session = this.#session
    const { rates } = session.policy
    for (let i = from; i < rates.length; i++) {
      const rate = rates[i]
      const waitMs = rate?.take(view, performance.now()) ?? 0
      if (rate === undefined || waitMs === 0) continue
      const { denial, action } = rate.limit
      if (!session.audit.denies(denial, view)) continue
      if (action !== 'delay') return session.answers.denial(denial)
      this.isBarrier = true
      return this.#delayed(keptView(view), i, waitMs)
    }
    return this.#hook(view)
  }

  async #delayed(view: OperationView, index: number, waitMs: number): Promise<Effect | undefined> {
    const session = this.#session
    let restMs = waitMs
    do {
      await session.sleep(restMs)
      if (session.isOver) return undefined
      restMs = session.policy.rates[index]?.take(view, performance.now()) ?? 0
    } while (restMs > 0)
    return this.#rate(view, index + 1)
  }

  #hook(view: OperationView): Outcome {
    const session = this.#session
    const { onPublish } = session.hooks
    if (onPublish === undefined) return this.#permit(view)
    if (!view.isUtf8) return session.answers.refusal(publishText(view.subject))
    const result =
      typeof onPublish === 'function'
        ? session.hookCalls.ask('onPublish', () => onPublish(publishOperation(view), session))
        : session.hookCalls.ask('onPublish', () => onPublish.handle(controlLine(view), session))
    if (!(result instanceof Promise)) return this.#decided(result, view)
    const kept = keptView(view)
    return result.then((decision) => this.#decided(decision, kept))
  }

  #decided(decision: Decision, view: OperationView): Outcome {
    const session = this.#session
    switch (decision.action) {
      case 'forward':
        return this.#permit(view)
      case 'delay': {
        this.isBarrier = true
        const kept = keptView(view)
        const { after = forward() } = decision
        return session.sleep(decision.ms).then(() => this.#decided(after, kept))
      }
      case 'replace':
        session.audit.replaced('hook', 'onPublish', view)
        return replaceCommand(session, 'onPublish', decision.operations, (seen) => this.#judgeReplacement(seen))
      default:
        return session.answers.decision(decision, 'onPublish', view, () => publishText(view.subject))
    }
  }

  #permit(view: OperationView): Outcome {
    const session = this.#session
    for (const check of session.policy.permissions) {
      const denial = check.publish(view)
      if (denial !== undefined && session.audit.denies(denial, view)) return session.answers.denial(denial)
    }
    const { authorize } = session.options
    if (authorize === undefined) return this.#bound(view)
    // Only subjects the gate takes are asked about; what it does not take could be allowed by no rule.
    const subject = view.isUtf8 ? parseSubject(view.subject, anySubject) : undefined
    const action = view.replyStart === view.replyEnd ? 'publish' : 'request'
    const context = { surface: 'wire', ip: session.ip }
    const allowed = subject !== undefined && isAllowed(authorize, session.principal, action, subject, context)
    if (!(allowed instanceof Promise)) return allowed ? this.#bound(view) : this.#refuse(view)
    const kept = keptView(view)
    return allowed.then((isAllowed) => (isAllowed ? this.#bound(kept) : this.#refuse(kept)))
  }

  #refuse(view: OperationView): Effect {
    const text = publishText(view.subject)
    const denial = {
      policy: 'permission',
      rule: 'authorize',
      code: 'publish_denied',
      text,
      closes: false,
      dryRun: false,
    } as const
    this.#session.audit.denies(denial, view)
    return this.#session.answers.denial(denial)
  }

  #bound(view: OperationView): Outcome {
    const session = this.#session
    const denial = session.policy.payload(view)
    if (denial !== undefined && session.audit.denies(denial, view)) return session.answers.denial(denial)
    return this.#rewrite(view)
  }

  #rewrite(view: OperationView): Outcome {
    const session = this.#session
    const rewriter = session.policy.headers
    if (rewriter === undefined || !session.isServerTold) return undefined
    if (rewriter.wouldRemove(view.headers) > 0) session.audit.dryRun('header', 'headers', view)
    const headers = rewriter.rewrite(view.headers)
    if (headers === undefined) return undefined
    if (headers.length + view.payload.length > session.maxPayloadBytes && session.maxPayloadBytes >= 0) {
      return () => session.closing.failInTurn(new WireError('payload_too_large', 'the message and what is added to it'))
    }
    session.audit.replaced('header', 'headers', view)
    const { verb } = view
    const bytes = withHeaders(view, headers)
    return () => session.sendToBackend(verb, bytes)
  }

  /** Judges an operation that a hook gave, from the permissions on. */
  #judgeReplacement(view: OperationView): Outcome {
    const session = this.#session
    if (view.verb !== Verb.PUB && view.verb !== Verb.HPUB) {
      return session.hookCalls.failed('onPublish', new TypeError('replace() of a PUB takes PUB and HPUB only'))
    }
    if (session.maxPayloadBytes >= 0 && view.totalBytes > session.maxPayloadBytes) {
      return () => session.closing.failInTurn(new WireError('payload_too_large', 'the message of a hook'))
    }
    return this.#permit(view)
  }
}
