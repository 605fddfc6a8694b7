// SPDX-License-Identifier: Apache-2.0
import type { Message } from './connection.ts'

type Result = IteratorResult<Message, undefined>

const done: Result = { done: true, value: undefined }

/** What reads or does not read. */
interface Source {
  pause(): void
  resume(): void
}

/** The messages of a connection, taken one by one: while nobody asks, the socket is not read. */
export class MessagePull implements AsyncIterableIterator<Message> {
  readonly #source: Source
  readonly #onReturn: () => void
  readonly #queue: Message[] = []
  #asking: ((result: Result) => void)[] = []
  #isHolding = false
  #hasEnded = false

  constructor(source: Source, onReturn: () => void) {
    this.#source = source
    this.#onReturn = onReturn
    this.#hold()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  push(bytes: Buffer, binary: boolean): void {
    const message = new PulledMessage(bytes, binary)
    const ask = this.#asking.shift()
    if (ask === undefined) this.#queue.push(message)
    else ask({ done: false, value: message })
    if (this.#asking.length === 0) this.#hold()
  }

  next(): Promise<Result> {
    const message = this.#queue.shift()
    if (message !== undefined) return Promise.resolve({ done: false, value: message })
    if (this.#hasEnded) return Promise.resolve(done)
    return new Promise((resolve) => {
      this.#asking.push(resolve)
      this.#letGo()
    })
  }

  return(): Promise<Result> {
    if (!this.#hasEnded) this.#onReturn()
    this.#queue.length = 0
    this.end()
    return Promise.resolve(done)
  }

  /** The connection is gone: what is queued is still given. */
  end(): void {
    this.#hasEnded = true
    const asking = this.#asking
    this.#asking = []
    for (const ask of asking) ask(done)
    this.#letGo()
  }

  #hold(): void {
    if (this.#isHolding || this.#hasEnded) return
    this.#isHolding = true
    this.#source.pause()
  }

  #letGo(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#source.resume()
  }
}

class PulledMessage implements Message {
  readonly bytes: Buffer
  readonly binary: boolean

  constructor(bytes: Buffer, binary: boolean) {
    this.bytes = bytes
    this.binary = binary
  }

  get text(): string {
    return this.bytes.toString()
  }
}
