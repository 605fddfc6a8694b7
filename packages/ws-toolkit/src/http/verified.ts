// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import { WsError } from '../ws-error.ts'
import { problem } from './problem.ts'

/** What a check of credentials found: who it is, or nobody. */
export type Verified = Principal | undefined

// As nobody said anything about them: subjects are allowed, managing is not.
const unruled = compilePermissions({})

/** Sets `principal` and goes on, or gives the refusal. */
export async function enter(
  c: Context,
  next: () => Promise<void>,
  verify: () => Verified | Promise<Verified>,
  challenge: string,
): Promise<Response | undefined> {
  const found = await attempt(verify)
  if (found instanceof WsError) return problem(c, found, found.status === 401 ? { 'WWW-Authenticate': challenge } : {})
  c.set('principal', found)
  await next()
  return undefined
}

/** Makes a principal of which nothing is known but its name. */
export function namedPrincipal(provider: string, name: string): Principal {
  return { id: `${provider}:${name}`, name, claims: {}, permissions: unruled }
}

/** Refuses for want of credentials. */
export function challengeFor(c: Context, message: string, challenge: string): Response {
  return problem(c, new WsError('unauthorized', { message }), { 'WWW-Authenticate': challenge })
}

async function attempt(verify: () => Verified | Promise<Verified>): Promise<Principal | WsError> {
  try {
    const found = await verify()
    if (typeof found !== 'object' || found === null) return new WsError('unauthorized', { message: 'not accepted' })
    const expired = found.expiresAt !== undefined && found.expiresAt <= Date.now()
    return expired ? new WsError('unauthorized', { message: 'expired: get a new credential' }) : found
  } catch (error) {
    const known = WsError.from(error)
    // What has nothing to do with the client is an error of the application.
    if (known.code === 'internal') throw error
    return known
  }
}
