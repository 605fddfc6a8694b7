// SPDX-License-Identifier: Apache-2.0
import { Fifo } from './fifo.ts'

/** Commands of which the client sees one answer, or none, for the `end - start` the server sends. */
interface Group {
  readonly start: number
  readonly end: number
  isAnswered: boolean
}

interface Owed {
  /** How many answers of the server come first. */
  readonly after: number
  readonly answer: () => void
}

/**
 * Keeps the answers of a verbose connection in the order of its commands. The server answers each CONNECT, SUB, UNSUB, PUB
 * and HPUB with one +OK or one -ERR; what the gateway answers itself goes in between at its place.
 */
export class AckLedger {
  #sent = 0
  #seen = 0
  readonly #owed = new Fifo<Owed>()
  readonly #groups = new Fifo<Group>()
  /** For each PING under way, its place among the commands. */
  readonly #pings = new Fifo<number>()

  /** Notes a command that went to the server. */
  sent(): void {
    this.#sent++
  }

  /** The next `commands` to the server stand for one of the client's, or for none where `isAnswered` is true. */
  group(commands: number, isAnswered: boolean): void {
    this.#groups.push({ start: this.#sent, end: this.#sent + commands, isAnswered })
  }

  /** Answers a command that did not go to the server, once those before it were answered. */
  answer(answer: () => void): void {
    if (this.#seen >= this.#sent) answer()
    else this.#owed.push({ after: this.#sent, answer })
  }

  /** Notes an answer of the server; whether the client is to see it. `settle()` follows once it is on its way. */
  seen(isError: boolean): boolean {
    const place = this.#seen++
    const group = this.#groups.first
    if (group === undefined || place < group.start) return true
    const isLast = place === group.end - 1
    if (isLast) this.#groups.shift()
    if (group.isAnswered || !(isError || isLast)) return false
    group.isAnswered = true
    return true
  }

  /** Gives the answers whose turn has come. */
  settle(): void {
    for (let owed = this.#owed.first; owed !== undefined && owed.after <= this.#seen; owed = this.#owed.first) {
      this.#owed.shift()
      owed.answer()
    }
  }

  /** Notes a PING, whose PONG has its place among the answers. */
  pinged(): void {
    this.#pings.push(this.#sent++)
  }

  /**
   * Gives all that has to come before this PONG, which proves that everything before its PING was answered, also where the
   * server counted in another way. `settle()` follows once the PONG is on its way.
   */
  ponged(): void {
    const place = this.#pings.shift()
    if (place === undefined) return
    this.#seen = Math.max(this.#seen, place)
    while ((this.#groups.first?.end ?? Infinity) <= this.#seen) this.#groups.shift()
    this.settle()
    this.#seen = Math.max(this.#seen, place + 1)
  }
}
