// SPDX-License-Identifier: Apache-2.0
import { abortSourceOf, type AbortSource } from '../abort-source.ts'
import type { RequestId } from '../codec/codec.ts'
import type { Connection, SendOptions } from '../connection.ts'
import { originOf, type RequestChange, type WsRequest } from '../request.ts'

/** A request seen through a middleware: what is not overridden is that of the request behind it. */
export abstract class RequestView<U> implements WsRequest<U> {
  readonly inner: WsRequest<U>

  constructor(inner: WsRequest<U>) {
    this.inner = inner
  }

  get id(): RequestId | undefined {
    return this.inner.id
  }

  get key(): string {
    return this.inner.key
  }

  get route(): string {
    return this.inner.route
  }

  get params(): readonly string[] {
    return this.inner.params
  }

  get data(): unknown {
    return this.inner.data
  }

  get bytes(): Uint8Array {
    return this.inner.bytes
  }

  get binary(): boolean {
    return this.inner.binary
  }

  get connection(): Connection<U> {
    return this.inner.connection
  }

  get signal(): AbortSignal {
    return this.inner.signal
  }

  get abortSource(): AbortSource {
    return abortSourceOf(this.inner)
  }

  get origin(): WsRequest<U> {
    return originOf(this.inner)
  }

  reply(value: unknown, options?: SendOptions): boolean {
    return this.inner.reply(value, options)
  }

  abstract with(change: RequestChange): WsRequest<U>
}
