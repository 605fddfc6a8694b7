// SPDX-License-Identifier: Apache-2.0
import type { RequestId } from './codec/codec.ts'
import type { Frame } from './frame.ts'
import type { RequestRun } from './request-run.ts'
import { WsError } from './ws-error.ts'

/** How the requests of one connection may overlap. */
export interface RequestOrder {
  readonly concurrency: number
  readonly order: 'connection' | 'key' | 'unordered'
  readonly replyOrder: 'completion' | 'fifo'
}

interface Gate {
  pause(): void
  resume(): void
  push(frame: Frame): boolean
}

/** The requests of one connection that are under way, and those that wait for them. */
export class RequestQueue<U> {
  readonly #rules: RequestOrder
  readonly #gate: Gate
  readonly #start: (run: RequestRun<U>) => void
  readonly #active = new Set<RequestRun<U>>()
  readonly #keys = new Set<string>()
  #waiting: RequestRun<U>[] = []
  // In the order of their messages: the first one may answer.
  readonly #turns: RequestRun<U>[] = []
  #isHolding = false
  #onIdle: (() => void)[] | undefined

  constructor(rules: RequestOrder, gate: Gate, start: (run: RequestRun<U>) => void) {
    this.#rules = rules
    this.#gate = gate
    this.#start = start
  }

  get isBusy(): boolean {
    return this.#active.size > 0 || this.#waiting.length > 0
  }

  /** Requests under way. */
  get size(): number {
    return this.#active.size
  }

  /** Calls back as soon as nothing is under way. */
  whenIdle(idle: () => void): void {
    if (!this.isBusy) {
      idle()
      return
    }
    this.#onIdle ??= []
    this.#onIdle.push(idle)
  }

  /** Whether the request may begin now; if not, it begins when it may. */
  admit(run: RequestRun<U>): boolean {
    if (this.#rules.replyOrder === 'fifo') this.#turns.push(run)
    if (this.#mayStart(run)) return true
    this.#waiting.push(run)
    this.#holdOrRelease()
    return false
  }

  /** The request did not end at once. */
  add(run: RequestRun<U>): void {
    this.#active.add(run)
    run.match.value.counters.active += 1
    if (this.#rules.order === 'key') this.#keys.add(run.key)
    this.#holdOrRelease()
  }

  /** Sends an answer, or keeps it until its turn. */
  send(run: RequestRun<U>, frame: Frame): boolean {
    if (this.#rules.replyOrder === 'completion' || this.#turns[0] === run) return this.#gate.push(frame)
    run.held ??= []
    run.held.push(frame)
    return true
  }

  /** Resolves when the request may answer; undefined: it may. */
  turnOf(run: RequestRun<U>): Promise<void> | undefined {
    if (this.#rules.replyOrder === 'completion' || this.#turns[0] === run || run.isAborted) return undefined
    return new Promise((resolve) => {
      run.onTurn = resolve
    })
  }

  /** The request has had its last answer. */
  finish(run: RequestRun<U>): void {
    run.isDone = true
    if (this.#rules.replyOrder === 'fifo') this.#nextTurns()
    if (this.#active.delete(run)) {
      run.match.value.counters.active -= 1
      this.#keys.delete(run.key)
    }
    this.#startWaiting()
    this.#holdOrRelease()
    if (this.isBusy) return
    const idle = this.#onIdle
    this.#onIdle = undefined
    idle?.forEach((call) => call())
  }

  /** Aborts the request of an id; gives it back if it has not begun. */
  cancel(id: RequestId): RequestRun<U> | undefined {
    const reason = new WsError('cancelled')
    for (const run of this.#active) {
      if (run.id === id) run.abort(reason)
    }
    const waiting = this.#waiting.find((run) => run.id === id)
    if (waiting !== undefined) this.#waiting = this.#waiting.filter((run) => run !== waiting)
    return waiting
  }

  /** The connection is gone: aborts what runs, and forgets what waits. */
  abort(): void {
    this.#waiting = []
    this.#turns.length = 0
    const reason = new WsError('closed')
    for (const run of this.#active) run.abort(reason)
    if (!this.isBusy) this.#onIdle?.forEach((call) => call())
  }

  #mayStart(run: RequestRun<U>): boolean {
    if (this.#active.size >= this.#rules.concurrency) return false
    return this.#rules.order === 'key' ? !this.#isKeyTaken(run) : this.#waiting.length === 0
  }

  #isKeyTaken({ key }: RequestRun<U>): boolean {
    return this.#keys.has(key) || this.#waiting.some((run) => run.key === key)
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#active.size < this.#rules.concurrency) {
      const index = this.#rules.order === 'key' ? this.#waiting.findIndex((run) => !this.#keys.has(run.key)) : 0
      const [run] = index === -1 ? [] : this.#waiting.splice(index, 1)
      if (run === undefined) return
      this.#start(run)
    }
  }

  #nextTurns(): void {
    while (this.#turns[0]?.isDone === true) {
      this.#turns.shift()
      const next = this.#turns[0]
      const held = next?.held
      if (next !== undefined) next.held = undefined
      held?.forEach((frame) => this.#gate.push(frame))
      next?.onTurn?.()
    }
  }

  // Answers that wait for their turn take a place too, else a slow first request would gather them without bound.
  #holdOrRelease(): void {
    const taken = Math.max(this.#active.size + this.#waiting.length, this.#turns.length)
    const isFull = taken >= this.#rules.concurrency
    if (isFull === this.#isHolding) return
    this.#isHolding = isFull
    if (isFull) this.#gate.pause()
    else this.#gate.resume()
  }
}
