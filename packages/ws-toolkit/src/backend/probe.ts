// SPDX-License-Identifier: Apache-2.0
import { cancel, schedule, type Deadline } from '../deadline.ts'
import { checkKeys, hook, whole } from '../option-check.ts'
import { WsError } from '../ws-error.ts'

export interface ProbeOptions {
  /** Asks a target, by name, whether it is well; a throw, a rejection or no end in time means no. */
  readonly check: (name: string, signal: AbortSignal) => void | Promise<void>
  /** Between two checks of a target. Default 5,000. */
  readonly intervalMs?: number
  /** Default 2,000. */
  readonly timeoutMs?: number
}

/** What is asked about. */
export interface Probed {
  readonly name: string
  isDown: boolean
}

/** Asks every target from time to time. */
export class Probe {
  readonly #targets: readonly Probed[]
  readonly #check: ProbeOptions['check']
  readonly #intervalMs: number
  readonly #timeoutMs: number
  readonly #timers = new Map<Probed, Deadline>()
  readonly #running = new Set<AbortController>()
  #state: 'new' | 'started' | 'closed' = 'new'

  constructor(targets: readonly Probed[], options: ProbeOptions) {
    checkKeys('loadBalancer.probe', options, ['check', 'intervalMs', 'timeoutMs'])
    if (hook('loadBalancer.probe.check', options.check) === undefined) {
      throw new TypeError('loadBalancer.probe.check: is missing')
    }
    this.#targets = targets
    this.#check = options.check
    this.#intervalMs = whole('loadBalancer.probe.intervalMs', options.intervalMs ?? 5000)
    this.#timeoutMs = whole('loadBalancer.probe.timeoutMs', options.timeoutMs ?? 2000)
  }

  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'started'
    for (const target of this.#targets) void this.#ask(target)
  }

  close(): void {
    this.#state = 'closed'
    for (const timer of this.#timers.values()) cancel(timer)
    for (const controller of this.#running) controller.abort(new WsError('draining'))
  }

  async #ask(target: Probed): Promise<void> {
    target.isDown = !(await this.#isWell(target))
    if (this.#state === 'closed') return
    this.#timers.set(
      target,
      schedule(this.#intervalMs, () => void this.#ask(target)),
    )
  }

  async #isWell({ name }: Probed): Promise<boolean> {
    const controller = new AbortController()
    const { signal } = controller
    const timer = schedule(this.#timeoutMs, () => controller.abort(new WsError('timeout')))
    this.#running.add(controller)
    try {
      // Whether the check heeds its signal or not.
      const isOver = new Promise<false>((resolve) =>
        signal.addEventListener('abort', () => resolve(false), { once: true }),
      )
      const isWell = (async () => {
        await this.#check(name, signal)
        return true
      })()
      return await Promise.race([isWell, isOver])
    } catch {
      return false
    } finally {
      cancel(timer)
      this.#running.delete(controller)
    }
  }
}
