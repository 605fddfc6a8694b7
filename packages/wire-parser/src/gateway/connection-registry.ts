// SPDX-License-Identifier: Apache-2.0
import type { Traffic } from './counters.ts'
import type { Session } from './session.ts'

/** A connection as an operator sees it. */
export interface WireConnectionInfo {
  readonly id: string
  readonly surface: 'wire'
  readonly transport: 'tcp' | 'ws'
  readonly ip: string
  readonly principalId?: string
  readonly route?: string
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly queuedBytes: number
  readonly subscriptions: number
  readonly messagesIn: number
  readonly messagesOut: number
  /** Operations refused or lost. */
  readonly denied: number
  /** Decisions under way. */
  readonly pending: number
  /** What the client calls itself. */
  readonly name?: string
  readonly lang?: string
  readonly version?: string
  readonly listener: string
  readonly backend: string
}

/** All connections of one principal together. */
export interface WireUserInfo {
  readonly principalId: string
  readonly connections: number
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly denied: number
  readonly queuedBytes: number
}

/** The connections there are, those that are still being dialled included. */
export class ConnectionRegistry {
  readonly #sessions = new Set<Session>()
  #whenEmpty: (() => void)[] = []

  get size(): number {
    return this.#sessions.size
  }

  add(session: Session): void {
    this.#sessions.add(session)
  }

  delete(session: Session): void {
    this.#sessions.delete(session)
    if (this.#sessions.size > 0) return
    for (const resolve of this.#whenEmpty) resolve()
    this.#whenEmpty = []
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values()
  }

  /** Resolves when there is none left. */
  empty(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  /** Those that clients may already use. */
  *infos(): IterableIterator<WireConnectionInfo> {
    for (const session of this.#sessions) {
      if (session.isOpen) yield connectionInfo(session)
    }
  }

  users(): WireUserInfo[] {
    const users = new Map<string, WireUserInfo>()
    for (const info of this.infos()) {
      const { principalId } = info
      if (principalId !== undefined) users.set(principalId, addUp(users.get(principalId), info, principalId))
    }
    return [...users.values()]
  }

  traffic(): Traffic {
    const sum: Traffic = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, denied: 0 }
    for (const session of this.#sessions) {
      const { bytesIn, bytesOut } = session.traffic
      sum.messagesIn += session.messagesIn
      sum.messagesOut += session.messagesOut
      sum.bytesIn += bytesIn
      sum.bytesOut += bytesOut
      sum.denied += session.denied
    }
    return sum
  }
}

function connectionInfo(session: Session): WireConnectionInfo {
  const { id, origin, principal, connect } = session
  const { name, lang, version } = connect
  return {
    id,
    surface: 'wire',
    transport: origin.transport,
    ip: origin.ip,
    ...(principal === undefined ? {} : { principalId: principal.id }),
    openedAt: session.openedAt,
    ...session.traffic,
    queuedBytes: session.clientOutlet?.queuedBytes ?? 0,
    subscriptions: session.subscriptions.size,
    messagesIn: session.messagesIn,
    messagesOut: session.messagesOut,
    denied: session.denied,
    pending: session.pending,
    ...(name === undefined ? {} : { name }),
    ...(lang === undefined ? {} : { lang }),
    ...(version === undefined ? {} : { version }),
    listener: origin.listener,
    backend: session.dialled?.backend.id ?? '',
  }
}

function addUp(sum: WireUserInfo | undefined, info: WireConnectionInfo, principalId: string): WireUserInfo {
  return {
    principalId,
    connections: (sum?.connections ?? 0) + 1,
    messagesIn: (sum?.messagesIn ?? 0) + info.messagesIn,
    messagesOut: (sum?.messagesOut ?? 0) + info.messagesOut,
    bytesIn: (sum?.bytesIn ?? 0) + info.bytesIn,
    bytesOut: (sum?.bytesOut ?? 0) + info.bytesOut,
    denied: (sum?.denied ?? 0) + info.denied,
    queuedBytes: (sum?.queuedBytes ?? 0) + info.queuedBytes,
  }
}
