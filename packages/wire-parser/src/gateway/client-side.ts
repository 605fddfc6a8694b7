// SPDX-License-Identifier: Apache-2.0
import { type OperationView, Verb, type VerbCode } from '../operation.ts'
import type { WireError } from '../wire-error.ts'
import { ConnectJudge } from './connect-judge.ts'
import type { Effect, Flow, FlowOwner, Outcome } from './flow.ts'
import { PublishJudge } from './publish-judge.ts'
import { keptView } from './seen-operation.ts'
import type { Session } from './session.ts'
import { SubscribeJudge } from './subscribe-judge.ts'

/** Reads what the client sends: each verb goes to its judge, the rest passes. */
export class ClientSide implements FlowOwner {
  flow: Flow | undefined
  readonly #session: Session
  readonly #connects: ConnectJudge
  readonly #publishes: PublishJudge
  readonly #subscribes: SubscribeJudge
  /** What was decided about a long operation when its control line was known. */
  #atHead: { readonly outcome: Outcome } | undefined
  #isDiscarding = false

  constructor(session: Session) {
    this.#session = session
    this.#connects = new ConnectJudge(session)
    this.#publishes = new PublishJudge(session)
    this.#subscribes = new SubscribeJudge(session)
  }

  operation(view: OperationView, start: number, end: number): void {
    const { flow } = this
    const session = this.#session
    if (flow === undefined) return
    session.trace?.('in', view)
    if (view.verb <= Verb.HPUB) this.#publish(flow, view, start, end)
    else if (view.verb >= Verb.ERR) flow.pass(view, start, end, undefined)
    else this.#command(flow, view, start, end)
    if (session.wantsPassThrough) flow.passThrough(end)
  }

  head(view: OperationView): 'hold' | 'stream' {
    const { flow } = this
    this.#atHead = undefined
    if (flow === undefined || flow.isPending || this.#publishes.needsPayload) return 'hold'
    const outcome = this.#publishes.judge(view)
    this.#atHead = { outcome }
    if (outcome instanceof Promise) return 'hold'
    this.#isDiscarding = outcome !== undefined
    if (outcome === undefined) this.forwarding(view.verb)
    return 'stream'
  }

  bytes(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isDiscarding) this.flow?.forwardPart(bytes, start, end)
  }

  error(error: WireError): void {
    this.flow?.endRun()
    this.#session.closing.failInTurn(error)
  }

  forwarding(verb: VerbCode): boolean {
    this.#session.sendingToBackend(verb)
    return true
  }

  failed(error: unknown): void {
    this.#session.closing.broken(error)
  }

  #publish(flow: Flow, view: OperationView, start: number, end: number): void {
    const session = this.#session
    session.published(view)
    if (view.streamed) {
      this.#endStream(flow)
      return
    }
    if (!session.judgesPublish && !flow.isPending) {
      flow.forward(view, start, end, undefined)
      return
    }
    const outcome = this.#atHead === undefined ? this.#publishes.judge(view) : this.#atHead.outcome
    this.#atHead = undefined
    flow.settle(outcome, view, { start, end }, { isBarrier: this.#publishes.isBarrier })
  }

  #endStream(flow: Flow): void {
    const effect = this.#atHead?.outcome
    this.#atHead = undefined
    flow.endParts(this.#isDiscarding ? (effect as Effect) : undefined)
    this.#isDiscarding = false
  }

  // These change what is known of the connection, so each is judged when all before it is done, and before all behind it.
  #command(flow: Flow, view: OperationView, start: number, end: number): void {
    if (flow.isPending) {
      const kept = keptView(view)
      flow.settleInTurn(() => this.#judgeCommand(kept), view, end)
    } else {
      flow.settle(this.#judgeCommand(view), view, { start, end }, { isBarrier: true })
    }
  }

  #judgeCommand(view: OperationView): Outcome {
    if (view.verb === Verb.CONNECT) return this.#connects.judge(view)
    // A client's INFO is for nobody; the server takes it and does nothing.
    return view.verb === Verb.INFO ? undefined : this.#subscribes.judge(view)
  }
}
