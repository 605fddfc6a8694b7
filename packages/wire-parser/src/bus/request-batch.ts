// SPDX-License-Identifier: Apache-2.0
import type { HeaderBlock } from '../headers.ts'

// Above this a batch goes out at once: more would only grow the client's buffer.
const BATCH_BYTES = 64 * 1024

/** One request on its way to the client: the slot its reply belongs to, and what to publish. */
export interface BatchedRequest {
  readonly slot: number
  readonly generation: number
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: HeaderBlock | undefined
}

/**
 * Requests of one turn of the event loop, handed to the client together: it writes to its socket once per microtask
 * checkpoint, which is once per HTTP request, and each write costs us and the server more than the message in it.
 */
export class RequestBatch {
  readonly #send: (request: BatchedRequest) => void
  #requests: BatchedRequest[] = []
  #bytes = 0
  #scheduled = false

  constructor(send: (request: BatchedRequest) => void) {
    this.#send = send
  }

  add(request: BatchedRequest, bytes: number): void {
    if (this.#bytes + bytes > BATCH_BYTES) this.flush()
    this.#bytes += bytes
    this.#requests.push(request)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Hands everything gathered to the client; whatever else is sent calls this first, so that order is kept. */
  flush(): void {
    if (this.#requests.length === 0) return
    const requests = this.#requests
    this.clear()
    for (const request of requests) this.#send(request)
  }

  /** The connection is gone: nothing of this will be sent. */
  clear(): void {
    this.#requests = []
    this.#bytes = 0
  }
}
