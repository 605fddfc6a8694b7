// SPDX-License-Identifier: Apache-2.0
import { type Operation, type OperationView, Verb, verbName } from '../operation.ts'
import { OperationRecord } from '../operation-record.ts'
import { Parser } from '../parser.ts'
import type { Side } from '../verb-table.ts'
import { encodeOperation } from '../encode.ts'
import type {
  ControlLine,
  DeliverOperation,
  PublishOperation,
  SubscribeOperation,
  UnsubscribeOperation,
} from './hooks.ts'

/** A PUB or HPUB for a hook; payload and headers are views. */
export function publishOperation(view: OperationView): PublishOperation {
  const body = bodyOf(view)
  return view.verb === Verb.PUB ? { verb: 'PUB', ...body } : { verb: 'HPUB', headers: view.headers, ...body }
}

/** A MSG or HMSG for a hook; payload and headers are views. */
export function deliverOperation(view: OperationView): DeliverOperation {
  const body = bodyOf(view)
  const { sid } = view
  return view.verb === Verb.MSG ? { verb: 'MSG', sid, ...body } : { verb: 'HMSG', sid, headers: view.headers, ...body }
}

export function subscribeOperation(view: OperationView): SubscribeOperation {
  const { subject, queue, sid } = view
  return queue === undefined ? { verb: 'SUB', subject, sid } : { verb: 'SUB', subject, queue, sid }
}

export function unsubscribeOperation(view: OperationView): UnsubscribeOperation {
  const { sid, max } = view
  return max > 0 ? { verb: 'UNSUB', sid, max } : { verb: 'UNSUB', sid }
}

export function controlLine(view: OperationView): ControlLine {
  const { subject, replyTo, sid, headerBytes, totalBytes } = view
  return { verb: verbName(view.verb) as ControlLine['verb'], subject, replyTo, sid, headerBytes, totalBytes }
}

function bodyOf(view: OperationView): { subject: string; replyTo?: string; payload: Uint8Array } {
  const { subject, replyTo, payload } = view
  return replyTo === undefined ? { subject, payload } : { subject, replyTo, payload }
}

/** A view that stays as it is when the parser goes on; its bytes have to be kept by the caller. */
export function keptView(view: OperationView): OperationView {
  return Object.assign(new OperationRecord(), view)
}

/** An operation of a hook as bytes, with a view that reads them as the other side will. Throws TypeError for one that is none. */
export function viewOf(operation: Operation, side: Side): OperationView {
  const bytes = encodeOperation(operation)
  let seen: OperationView | undefined
  const parser = new Parser(
    { side, limits: { maxConnectBytes: 2 ** 20, maxControlLineBytes: 2 ** 20, holdBytes: 2 ** 20 } },
    {
      operation: (view) => {
        seen = keptView(view)
      },
      error: (error) => {
        throw new TypeError(`a hook gave an operation that cannot be sent: ${error.message}`)
      },
    },
  )
  parser.push(bytes)
  if (seen === undefined) throw new TypeError(`a hook gave an operation that ${side}s do not send: ${operation.verb}`)
  return seen
}

/** The whole bytes of an operation. */
export function operationBytes(view: OperationView): Uint8Array {
  return view.bytes.subarray(view.start, view.verb <= Verb.HMSG ? view.payloadEnd + 2 : view.lineEnd)
}
