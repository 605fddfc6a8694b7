// SPDX-License-Identifier: Apache-2.0
import { decodeInfo } from '../connect-json.ts'
import { type OperationView, Verb, type VerbCode } from '../operation.ts'
import { WireError } from '../wire-error.ts'
import { DeliveryJudge } from './delivery-judge.ts'
import type { Effect, Flow, FlowOwner, Outcome } from './flow.ts'
import { operationBytes } from './seen-operation.ts'
import type { Session } from './session.ts'
import type { Subscription } from './subscription-table.ts'

/** Reads what the server sends: deliveries are counted and judged, INFO is rewritten, answers are kept in order. */
export class BackendSide implements FlowOwner {
  flow: Flow | undefined
  readonly #session: Session
  readonly #deliveries: DeliveryJudge
  #atHead: { readonly outcome: Outcome } | undefined
  #isDiscarding = false

  constructor(session: Session) {
    this.#session = session
    this.#deliveries = new DeliveryJudge(session)
  }

  operation(view: OperationView, start: number, end: number): void {
    const { flow } = this
    const session = this.#session
    if (flow === undefined) return
    session.trace?.('out', view)
    if (view.verb <= Verb.HMSG) this.#message(flow, view, start, end)
    else this.#other(flow, view, start, end)
    if (session.wantsPassThrough) flow.passThrough(end)
  }

  head(view: OperationView): 'hold' | 'stream' {
    const { flow } = this
    const session = this.#session
    this.#atHead = undefined
    if (flow === undefined || flow.isPending || this.#deliveries.needsPayload) return 'hold'
    const subscription = session.subscriptions.find(view)
    const outcome = this.#deliveries.judge(view, subscription)
    this.#atHead = { outcome }
    if (outcome instanceof Promise) return 'hold'
    this.#isDiscarding = outcome !== undefined || !this.forwarding(view.verb, subscription)
    return 'stream'
  }

  bytes(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isDiscarding) this.flow?.forwardPart(bytes, start, end)
  }

  error(error: WireError): void {
    const session = this.#session
    this.flow?.endRun()
    session.closing.backendFailed(error)
  }

  forwarding(verb: VerbCode, subscription: Subscription | undefined): boolean {
    return verb > Verb.HMSG || this.#session.delivering(subscription)
  }

  failed(error: unknown): void {
    this.#session.closing.broken(error)
  }

  #message(flow: Flow, view: OperationView, start: number, end: number): void {
    const session = this.#session
    if (view.streamed) {
      this.#endStream(flow)
      return
    }
    const subscription = session.subscriptions.find(view)
    if (
      !session.judgesDeliveries &&
      (subscription === undefined ? !session.knowsDeliveries : !subscription.isPartial)
    ) {
      flow.pass(view, start, end, subscription)
      return
    }
    const outcome = this.#atHead === undefined ? this.#deliveries.judge(view, subscription) : this.#atHead.outcome
    this.#atHead = undefined
    flow.settle(outcome, view, { start, end }, { subscription })
  }

  #endStream(flow: Flow): void {
    const effect = this.#atHead?.outcome
    this.#atHead = undefined
    flow.endParts(this.#isDiscarding ? (effect as Effect | undefined) : undefined)
    this.#isDiscarding = false
    this.#session.closing.boundary()
  }

  #other(flow: Flow, view: OperationView, start: number, end: number): void {
    switch (view.verb) {
      case Verb.INFO:
        flow.settle(this.#info(view), view, { start, end }, { isBarrier: true })
        return
      case Verb.PONG:
        this.#answer(flow, view, start, end, () => this.#session.ponged())
        return
      case Verb.OK:
      case Verb.ERR: {
        const error = view.verb === Verb.ERR ? view.text : undefined
        this.#answer(flow, view, start, end, () => this.#session.answered(error))
        return
      }
      default:
        flow.pass(view, start, end, undefined)
    }
  }

  /** Forwards an answer of the server if the client is to see it, in its place among the gateway's own. */
  #answer(flow: Flow, view: OperationView, start: number, end: number, isSeen: () => boolean): void {
    const session = this.#session
    if (flow.isPending) {
      const bytes = new Uint8Array(operationBytes(view))
      flow.settle(
        () => {
          if (isSeen()) session.sendToClient(bytes)
          session.acks.settle()
        },
        view,
        { start, end },
      )
      return
    }
    flow.endRun()
    if (isSeen()) flow.forward(view, start, end, undefined)
    flow.endRun()
    session.acks.settle()
  }

  #info(view: OperationView): Outcome {
    const session = this.#session
    const json = new Uint8Array(view.json)
    const info = decodeInfo(json)
    if (info === undefined)
      return () => session.closing.backendFailed(new WireError('backend_lost', 'INFO that is none'))
    return session.infoRelay.later(json, info)
  }
}
