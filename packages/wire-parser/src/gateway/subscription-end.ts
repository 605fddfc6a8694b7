// SPDX-License-Identifier: Apache-2.0
import { isAllowed } from '../authorize.ts'
import { parsePattern } from '../pattern.ts'
import { subscribeText } from '../policy/permission-policy.ts'
import { errorLine } from './answers.ts'
import type { Session } from './session.ts'
import type { Subscription, SubscriptionTable } from './subscription-table.ts'

const unsub = Buffer.from('UNSUB ', 'latin1')
const lineEnd = Buffer.from('\r\n', 'latin1')
const anyPattern = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** Asks again about each subscription; those that are not allowed any more end, and the client is told. */
export function recheckSubscriptions(session: Session): void {
  for (const subscription of session.subscriptions.values()) {
    const { subject, queue } = subscription
    const denial = session.policy.subscribe(subject, queue)
    if (denial !== undefined && session.audit.denies(denial, undefined)) revoke(session, subscription)
    else {
      subscription.isPartial = session.policy.isPartial(subject, queue)
      askAgain(session, subscription)
    }
  }
}

/**
 * Another CONNECT was accepted. Current servers drop all subscriptions then; an older one is made to where anything depends
 * on who subscribed, so that what the gateway knows of a sid is what the server has. `isAnother`: the client has become
 * somebody else, who gets nothing that is still on its way.
 */
export function endSubscriptions(session: Session, isAnother: boolean): void {
  if (!session.judgesSubscriptions && !dropsAtConnect(session.info?.version)) return
  for (const subscription of session.subscriptions.values()) {
    subscription.isEnded = isAnother
    if (session.judgesSubscriptions) removeSubscription(session, subscription)
    else session.subscriptions.leave(subscription, session.pingsAhead)
  }
}

// From 2.12.12 on.
function dropsAtConnect(version = ''): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number)
  return major > 2 || (major === 2 && (minor > 12 || (minor === 12 && patch >= 12)))
}

/** Ends a subscription that has had all the deliveries it asked for. */
export function endDelivered(session: Session, subscription: Subscription): void {
  subscription.isEnded = true
  if (subscription.isOwned) removeSubscription(session, subscription)
  else session.subscriptions.delete(subscription)
}

/** Forgets a SUB that the server refuses: it is no subscription. */
export function forgetRefused(subscriptions: SubscriptionTable, error: string): void {
  const quoted = /^permissions violation for subscription to "([^"]*)"(?: using queue "([^"]*)")?/i.exec(error)
  if (quoted?.[1] !== undefined) subscriptions.refused(quoted[1], quoted[2])
}

function askAgain(session: Session, subscription: Subscription): void {
  const { authorize } = session.options
  const pattern = parsePattern(subscription.subject, anyPattern)
  if (authorize === undefined || pattern === undefined) return
  const allowed = isAllowed(authorize, session.principal, 'subscribe', pattern, { surface: 'wire', ip: session.ip })
  const act = (isGranted: boolean): void => {
    if (!isGranted && !subscription.isEnded && session.isOpen) revoke(session, subscription)
  }
  if (allowed instanceof Promise) void allowed.then(act)
  else act(allowed)
}

function revoke(session: Session, subscription: Subscription): void {
  session.insertToClient(errorLine(subscribeText(subscription.subject, subscription.queue)))
  subscription.isEnded = true
  removeSubscription(session, subscription)
}

/** Ends a subscription at the server without the client's doing. */
function removeSubscription(session: Session, subscription: Subscription): void {
  session.subscriptions.leave(subscription, session.pingsAhead)
  session.audit.subscription('subscription.removed', subscription)
  if (session.isVerbose) {
    // The server answers what the client has not asked.
    session.acks.group(1, true)
    session.acks.sent()
  }
  session.backendOutlet?.insert(Buffer.concat([unsub, subscription.sid, lineEnd]))
}
