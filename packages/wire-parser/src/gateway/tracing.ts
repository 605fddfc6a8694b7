// SPDX-License-Identifier: Apache-2.0
import type { Session } from './session.ts'
import { type TraceRecord, traceRecord } from './trace.ts'

type Select = (connection: { readonly id: string; readonly ip: string; readonly principalId?: string }) => boolean

interface Tracer {
  readonly listener: (record: TraceRecord) => void
  readonly select: Select
}

/** Who is listening to the operations of which connections. */
export class Tracing {
  readonly #sessions: () => Iterable<Session>
  readonly #tracers = new Set<Tracer>()

  constructor(sessions: () => Iterable<Session>) {
    this.#sessions = sessions
  }

  /** Listens until the function it gives is called. A listener that throws is not called again. */
  add(listener: (record: TraceRecord) => void, select: Select = () => true): () => void {
    const tracer = { listener, select }
    this.#tracers.add(tracer)
    this.#updateAll()
    return () => this.#remove(tracer)
  }

  /** Gives a connection its listeners: a new one, or one whose principal has changed. */
  update(session: Session): void {
    const { id, ip, principal } = session
    const about = principal === undefined ? { id, ip } : { id, ip, principalId: principal.id }
    const tracers = [...this.#tracers].filter(({ select }) => select(about))
    session.trace =
      tracers.length === 0
        ? undefined
        : (direction, view) => {
            for (const tracer of tracers) this.#tell(tracer, traceRecord(id, direction, view))
          }
  }

  #tell(tracer: Tracer, record: TraceRecord): void {
    try {
      if (this.#tracers.has(tracer)) tracer.listener(record)
    } catch {
      this.#remove(tracer)
    }
  }

  #remove(tracer: Tracer): void {
    if (this.#tracers.delete(tracer)) this.#updateAll()
  }

  #updateAll(): void {
    for (const session of this.#sessions()) this.update(session)
  }
}
