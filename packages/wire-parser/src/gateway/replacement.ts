// SPDX-License-Identifier: Apache-2.0
import type { Operation, OperationView } from '../operation.ts'
import type { Effect, Outcome } from './flow.ts'
import { operationBytes } from './seen-operation.ts'
import type { Session } from './session.ts'

/** One operation of a hook, and whether it reaches the server, which then answers it. */
interface Replacement {
  readonly effect: Effect
  readonly isSent: boolean
}

/** Sends what a hook gave in place of one command; together they get the one answer the client expects. */
export function replaceCommand(
  session: Session,
  hook: string,
  operations: readonly Operation[],
  judge: (view: OperationView) => Outcome,
): Outcome {
  const judged = operations.map((operation): Replacement | Promise<Replacement> => {
    const view = session.hookCalls.encode(hook, operation, 'client')
    if (typeof view === 'function') return { effect: view, isSent: false }
    const bytes = operationBytes(view)
    const of = (effect: Effect | undefined): Replacement =>
      effect === undefined
        ? { effect: () => session.sendToBackend(view.verb, bytes), isSent: true }
        : { effect, isSent: false }
    const outcome = judge(view)
    return outcome instanceof Promise ? outcome.then(of) : of(outcome)
  })
  const ready = judged.flatMap((one) => (one instanceof Promise ? [] : [one]))
  if (ready.length === judged.length) return sendAll(session, ready)
  return Promise.all(judged.map((one) => Promise.resolve(one))).then((all) => sendAll(session, all))
}

function sendAll(session: Session, replacements: readonly Replacement[]): Effect {
  return () => {
    const sent = replacements.filter((one) => one.isSent).length
    // Who is told of a refusal is not told that the rest went well.
    session.answers.group(sent, sent < replacements.length)
    for (const { effect } of replacements) effect()
  }
}
