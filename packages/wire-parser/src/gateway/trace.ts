// SPDX-License-Identifier: Apache-2.0
import { type OperationView, Verb, verbName } from '../operation.ts'

/** One operation of a traced connection: its line, never a payload, headers or what a client logs in with. */
export interface TraceRecord {
  readonly connection: string
  /** From the client, or to it. */
  readonly direction: 'in' | 'out'
  readonly verb: string
  readonly subject?: string
  readonly replyTo?: string
  readonly queue?: string
  readonly sid?: string
  /** Headers and payload together, for messages. */
  readonly bytes?: number
  /** Of an `-ERR`. */
  readonly text?: string
}

/** Called with each operation a connection reads. */
export type OperationTrace = (direction: 'in' | 'out', view: OperationView) => void

/** What may be shown of an operation. */
export function traceRecord(connection: string, direction: 'in' | 'out', view: OperationView): TraceRecord {
  const start = { connection, direction, verb: verbName(view.verb) }
  switch (view.verb) {
    case Verb.PUB:
    case Verb.HPUB:
      return { ...start, subject: view.subject, ...reply(view), bytes: view.totalBytes }
    case Verb.MSG:
    case Verb.HMSG:
      return { ...start, subject: view.subject, sid: view.sid, ...reply(view), bytes: view.totalBytes }
    case Verb.SUB: {
      const { queue } = view
      return { ...start, subject: view.subject, sid: view.sid, ...(queue === undefined ? {} : { queue }) }
    }
    case Verb.UNSUB:
      return { ...start, sid: view.sid }
    case Verb.ERR:
      return { ...start, text: view.text }
    default:
      return start
  }
}

function reply({ replyTo }: OperationView): { readonly replyTo?: string } {
  return replyTo === undefined ? {} : { replyTo }
}
