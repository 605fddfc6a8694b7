// SPDX-License-Identifier: Apache-2.0
import type { HeaderBlock } from '../headers.ts'
import type { Bus, BusMessage } from '../message-bus.ts'
import type { Subject } from '../subject.ts'

export interface RequestOnceOptions {
  readonly timeoutMs: number
  readonly headers?: HeaderBlock
  /** Gives the request up; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** One request as a promise of its first reply, kept; rejects with BusError or the signal's reason. */
export function requestOnce(
  bus: Bus,
  subject: Subject,
  payload: Uint8Array,
  options: RequestOnceOptions,
): Promise<BusMessage> {
  const { signal, ...requestOptions } = options
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const abort = (): void => {
      pending.cancel()
      reject(signal?.reason)
    }
    const onReply = (reply: Parameters<Parameters<Bus['request']>[2]>[0]): void => {
      signal?.removeEventListener('abort', abort)
      if (reply.kind === 'error') reject(reply)
      else resolve(reply.copy())
    }
    const pending = bus.request(subject, payload, onReply, requestOptions)
    signal?.addEventListener('abort', abort, { once: true })
  })
}
