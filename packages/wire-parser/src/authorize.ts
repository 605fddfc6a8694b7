// SPDX-License-Identifier: Apache-2.0
import type { Pattern } from './pattern.ts'
import type { Principal } from './principal.ts'
import type { Subject } from './subject.ts'

/** Where and for what a decision is asked: plain data, no framework's context. */
export interface AuthorizeContext {
  readonly surface: string
  readonly route?: string
  readonly ip?: string
  readonly requestId?: string
  readonly rid?: string
  readonly method?: string
}

/** What a hook is asked for; deliveries are filtered by compiled permissions and never reach it. */
export type AuthorizeAction = 'publish' | 'request' | 'subscribe' | 'manage'

/** Decides in place of the principal's permissions, at once where it can. */
export type Authorize = (
  principal: Principal | undefined,
  action: AuthorizeAction,
  resource: Subject | Pattern | string,
  context: AuthorizeContext,
) => boolean | Promise<boolean>

/**
 * Asks the hook, else the principal's permissions, else allows. A hook that throws, rejects or answers anything but
 * `true` refuses; the answer is a promise only if the hook's was, and never rejects.
 */
export function isAllowed(
  authorize: Authorize | undefined,
  principal: Principal | undefined,
  action: AuthorizeAction,
  resource: Subject | Pattern | string,
  context: AuthorizeContext,
): boolean | Promise<boolean> {
  try {
    if (authorize === undefined) return principal?.permissions.allows(action, resource) ?? true
    // What a hook written in JavaScript returns may be anything.
    const decision: unknown = authorize(principal, action, resource, context)
    return typeof decision === 'object' && decision !== null ? settled(decision) : decision === true
  } catch {
    return false
  }
}

async function settled(decision: unknown): Promise<boolean> {
  try {
    return (await decision) === true
  } catch {
    return false
  }
}
