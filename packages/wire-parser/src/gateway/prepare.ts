// SPDX-License-Identifier: Apache-2.0
import { WireError } from '../wire-error.ts'
import { dialBackend, type DialledBackend } from './backend-dial.ts'
import { type Decision, forward } from './decision.ts'
import type { Session } from './session.ts'

/** A backend that has been dialled for a client, and what the client is told first. */
export interface Prepared {
  readonly dialled: DialledBackend
  readonly first: Uint8Array
}

/** Asks whether the client may come in, dials its backend and hears its INFO. Rejects with a WireError. */
export async function prepare(session: Session): Promise<Prepared> {
  await accept(session)
  const dialled = await dial(session)
  session.dialled = dialled
  const first = await session.infoRelay.first(dialled.json, dialled.info)
  // Operators may have closed it in the meantime.
  if (session.closing.hasBegun) throw new WireError('shutdown', 'the connection was closed before it was open')
  return { dialled, first }
}

async function accept(session: Session): Promise<void> {
  const { onAccept } = session.hooks
  if (onAccept === undefined) return
  let decision: Decision = await session.hookCalls.ask('onAccept', () => onAccept(session))
  while (decision.action === 'delay') {
    await session.sleep(decision.ms)
    decision = decision.after ?? forward()
  }
  if (decision.action === 'forward') return
  const text = decision.action === 'deny' ? (decision.text ?? 'Authorization Violation') : undefined
  const options = text === undefined ? {} : { text }
  session.audit.stopped('operation.denied', 'hook', 'onAccept')
  throw new WireError(decision.action === 'deny' ? 'authorization' : 'shutdown', 'onAccept denies it', options)
}

async function dial(session: Session): Promise<DialledBackend> {
  const { gateway, options } = session
  const { backend, limits } = options
  const startMs = performance.now()
  try {
    const dialled = await dialBackend(backend, limits, gateway.abort.signal)
    gateway.counters.dials.connected++
    gateway.lastDial = 'connected'
    const ms = performance.now() - startMs
    gateway.observe({ type: 'backend.connected', backend: backend.id, ms, ...session.audit.subject() })
    return dialled
  } catch (error) {
    gateway.counters.dials.failed++
    gateway.lastDial = 'failed'
    gateway.observe({ type: 'backend.failed', backend: backend.id, error, ...session.audit.subject() })
    throw error
  }
}
