// SPDX-License-Identifier: Apache-2.0
import type { GatewayState } from './gateway-state.ts'
import type { BoundListener } from './listener.ts'
import type { Session } from './session.ts'

/** How the gateway ends; the words are the same on every surface. */
export interface CloseOptions {
  /** Until the last connection is closed. Default 40000: clients have a quarter to leave by themselves, at most 10 s. */
  readonly drainMs?: number
  /** Window over which the connections that stayed are closed. Default: what is left of `drainMs`. */
  readonly spreadMs?: number
  /** Of no use here: a client of NATS has its own delays. */
  readonly retryAfterMs?: readonly [least: number, most: number]
  readonly final?: boolean
  readonly serveRequests?: boolean
}

const defaultDrainMs = 40_000
const maxGraceMs = 10_000
// A timer may fire that much before its time; the first connection would then wait for the second one's.
const earlyMs = 1

/** The end of a gateway, as nats-server's lame duck mode: clients are told, then closed one after the other. */
export class Drain {
  readonly #state: GatewayState
  readonly #listeners: ReadonlySet<BoundListener>
  readonly #done: () => void
  #closed: Promise<void> | undefined
  #endsAtMs = Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(state: GatewayState, listeners: ReadonlySet<BoundListener>, done: () => void) {
    this.#state = state
    this.#listeners = listeners
    this.#done = done
  }

  /** Resolves when no connection is left. A second call may only shorten. */
  close({ drainMs = defaultDrainMs, spreadMs = Infinity }: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#begin()
    const nowMs = performance.now()
    if (nowMs + drainMs < this.#endsAtMs) {
      this.#endsAtMs = nowMs + drainMs
      const graceMs = Math.min(maxGraceMs, drainMs / 4)
      this.#spread(drainMs === 0 ? 0 : graceMs, Math.min(spreadMs, drainMs - graceMs))
    }
    return this.#closed
  }

  async #begin(): Promise<void> {
    const state = this.#state
    state.isDraining = true
    // Who is still being dialled for has not been told of this gateway yet.
    state.abort.abort(new Error('the gateway is going away'))
    for (const listener of this.#listeners) void listener.close()
    for (const session of state.registry.sessions()) tell(session)
    await state.registry.empty()
    clearTimeout(this.#timer)
    this.#done()
  }

  #spread(graceMs: number, windowMs: number): void {
    clearTimeout(this.#timer)
    const sessions = shuffled([...this.#state.registry.sessions()])
    if (graceMs + windowMs <= 0) {
      for (const session of sessions) leave(session)
      return
    }
    const startMs = performance.now() + graceMs
    const stepMs = windowMs / Math.max(1, sessions.length)
    let next = 0
    const closeDue = (): void => {
      const due = Math.floor((performance.now() + earlyMs - startMs) / stepMs) + 1
      for (; next < sessions.length && next < due; next++) {
        const session = sessions[next]
        if (session !== undefined) leave(session)
      }
      if (next < sessions.length) this.#timer = setTimeout(closeDue, Math.max(1, stepMs))
    }
    this.#timer = setTimeout(closeDue, graceMs)
  }
}

function tell(session: Session): void {
  const info = session.isOpen ? session.infoRelay.leaving() : undefined
  if (info !== undefined) session.insertToClient(info)
}

function leave(session: Session): void {
  if (session.isOpen) session.closing.end('shutdown')
  else session.closing.destroy('shutdown')
}

// So that clients of one kind, which came together, do not leave together.
function shuffled(sessions: Session[]): Session[] {
  for (let i = sessions.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const [a, b] = [sessions[i], sessions[j]]
    if (a !== undefined && b !== undefined) [sessions[i], sessions[j]] = [b, a]
  }
  return sessions
}
