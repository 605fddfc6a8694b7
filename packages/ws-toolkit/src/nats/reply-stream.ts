// SPDX-License-Identifier: Apache-2.0
import { ItemStream } from '../backend/item-stream.ts'
import { WsError } from '../ws-error.ts'

/** Replies that came and were not taken by the client yet, in their order, so many bytes at most. */
export class ReplyStream implements AsyncIterableIterator<unknown> {
  readonly #items: ItemStream
  readonly #sizes: number[] = []
  readonly #maxBytes: number
  readonly #cancel: () => void
  #bytes = 0

  /** `cancel` is called when nobody reads any more, or nobody reads fast enough. */
  constructor(maxBytes: number, cancel: () => void) {
    this.#maxBytes = maxBytes
    this.#cancel = cancel
    this.#items = new ItemStream({ pause: () => {}, resume: () => {}, cancel })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Adds a reply of so many bytes; more than may wait end the stream with `overloaded`. */
  push(value: unknown, size: number): void {
    // An empty message takes memory too.
    this.#sizes.push(size + 64)
    this.#bytes += size + 64
    this.#items.push(value)
    if (this.#bytes <= this.#maxBytes) return
    this.end(new WsError('overloaded', { message: 'the answers come faster than the client takes them' }))
    this.#cancel()
  }

  end(error?: WsError): void {
    this.#items.end(error)
  }

  async next(): Promise<IteratorResult<unknown>> {
    const item = await this.#items.next()
    this.#bytes -= this.#sizes.shift() ?? 0
    return item
  }

  return(): Promise<IteratorResult<unknown>> {
    return this.#items.return()
  }
}
