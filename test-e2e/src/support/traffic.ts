// SPDX-License-Identifier: Apache-2.0
import { vi } from 'vitest'
import { patience } from './program.ts'

/** Something asked over and over, each time with a number of its own, until it is stopped. */
export class Traffic {
  readonly answers = new Map<string, number>()
  readonly #ask: (number: number) => Promise<string>
  readonly #running: Promise<unknown>
  #count = 0
  #isStopped = false

  constructor(lanes: number, ask: (number: number) => Promise<string>) {
    this.#ask = ask
    this.#running = Promise.all(Array.from({ length: lanes }, () => this.#run()))
    this.#running.catch(() => {})
  }

  get answered(): number {
    let sum = 0
    for (const count of this.answers.values()) sum += count
    return sum
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const answer = await this.#ask(this.#count++)
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
    }
  }

  async goesOn(): Promise<void> {
    const due = this.answered + 20
    await vi.waitUntil(() => this.answered >= due, patience)
  }

  /** The different answers, once all have come. */
  async stop(): Promise<readonly string[]> {
    this.#isStopped = true
    await this.#running
    if (this.answered !== this.#count) throw new Error(`${this.answered} answers to ${this.#count} requests`)
    return [...this.answers.keys()]
  }
}
