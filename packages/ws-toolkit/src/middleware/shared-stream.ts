// SPDX-License-Identifier: Apache-2.0
import { WsError } from '../ws-error.ts'
import { keepable, sizeOf } from './recorded-reply.ts'

interface Item {
  readonly value: unknown
  readonly bytes: number
  next: Item | undefined
}

type End = { readonly failure: unknown } | 'whole'

/** What becomes of a shared stream; each is told once at most. */
export interface SharedStreamOwner {
  /** All items, where they are few enough to keep. */
  whole(items: readonly unknown[], bytes: number): void
  /** Nobody can join any more: it broke, or has become too large. */
  closed(): void
  /** Nobody reads it any more. */
  left(): void
}

/** Reads a stream once, as fast as its fastest reader, for any number of readers that see it from its start. */
export class SharedStream {
  readonly #source: AsyncIterator<unknown>
  readonly #owner: SharedStreamOwner
  readonly #maxBytes: number
  readonly #readers = new Set<StreamReader>()
  // An item nobody has to see any more is let go of: only the first one that somebody has to is held.
  #head: Item | undefined
  #tail: Item
  #bytes = 0
  #end: End | undefined
  #isPulling = false

  constructor(source: AsyncIterator<unknown>, maxBytes: number, owner: SharedStreamOwner) {
    this.#source = source
    this.#maxBytes = maxBytes
    this.#owner = owner
    this.#tail = { value: undefined, bytes: 0, next: undefined }
    this.#head = this.#tail
  }

  get isJoinable(): boolean {
    return this.#head !== undefined
  }

  /** A reader that sees all items; legal while `isJoinable`. `onLeave` is told when it reads no more. */
  reader(onLeave?: () => void): StreamReader {
    const start = { at: this.#head ?? this.#tail, lagBytes: this.#bytes }
    const reader = new StreamReader(this, start, onLeave)
    this.#readers.add(reader)
    return reader
  }

  get end(): End | undefined {
    return this.#end
  }

  leave(reader: StreamReader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0 || this.#end !== undefined) return
    this.#finish({ failure: new WsError('cancelled') })
    this.#owner.left()
    const leaving = this.#source.return?.()
    leaving?.catch(() => {})
  }

  /** Asks for one more item, unless that is under way. */
  pull(): void {
    if (this.#isPulling || this.#end !== undefined) return
    this.#isPulling = true
    this.#source.next().then(
      (item) => this.#took(item),
      (failure: unknown) => this.#finish({ failure }),
    )
  }

  #took(result: IteratorResult<unknown>): void {
    this.#isPulling = false
    if (this.#end !== undefined) return
    if (result.done === true) {
      if (this.#head !== undefined) this.#owner.whole(itemsBehind(this.#head), this.#bytes)
      this.#finish('whole')
      return
    }
    const value = keepable(result.value)
    const item: Item = { value, bytes: sizeOf(value), next: undefined }
    this.#tail.next = item
    this.#tail = item
    this.#bytes += item.bytes
    if (this.#bytes > this.#maxBytes) this.#close()
    for (const reader of this.#readers) reader.offered(item.bytes, this.#maxBytes)
  }

  #finish(end: End): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#close()
    for (const reader of this.#readers) reader.wake()
  }

  #close(): void {
    if (this.#head === undefined) return
    this.#head = undefined
    this.#owner.closed()
  }
}

/** One reader of a shared stream; it may lag behind the fastest by the bytes the stream may keep. */
export class StreamReader implements AsyncIterableIterator<unknown> {
  readonly #stream: SharedStream
  #at: Item | undefined
  #lagBytes: number
  #isTooSlow = false
  readonly #onLeave: (() => void) | undefined
  #wake: (() => void) | undefined

  constructor(stream: SharedStream, start: { at: Item; lagBytes: number }, onLeave?: () => void) {
    this.#stream = stream
    this.#at = start.at
    this.#lagBytes = start.lagBytes
    this.#onLeave = onLeave
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<unknown>> {
    while (this.#at !== undefined) {
      if (this.#isTooSlow) return this.#fail(new WsError('slow_consumer'))
      const item = this.#at.next
      if (item !== undefined) {
        this.#at = item
        this.#lagBytes -= item.bytes
        return { done: false, value: item.value }
      }
      const { end } = this.#stream
      if (end === 'whole') break
      if (end !== undefined) return this.#fail(end.failure)
      await new Promise<void>((resolve) => {
        const others = this.#wake
        this.#wake = () => {
          others?.()
          resolve()
        }
        this.#stream.pull()
      })
    }
    return this.return()
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#leave()
    return { done: true, value: undefined }
  }

  offered(bytes: number, maxBytes: number): void {
    this.#lagBytes += bytes
    // One item is always allowed, whatever its size.
    if (this.#lagBytes > Math.max(maxBytes, bytes)) this.#isTooSlow = true
    this.wake()
  }

  wake(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #fail(error: unknown): never {
    this.#leave()
    throw error
  }

  #leave(): void {
    if (this.#at === undefined) return
    this.#at = undefined
    this.#onLeave?.()
    this.#stream.leave(this)
    this.wake()
  }
}

function itemsBehind(head: Item): unknown[] {
  const items: unknown[] = []
  for (let item = head.next; item !== undefined; item = item.next) items.push(item.value)
  return items
}
