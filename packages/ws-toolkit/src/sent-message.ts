// SPDX-License-Identifier: Apache-2.0
import type { SendOptions } from './connection.ts'
import { frameOf, type Frame, type Outgoing } from './frame.ts'
import type { SendQueue } from './outbox.ts'
import { WsError } from './ws-error.ts'

/** Whose message is waited for. */
export interface Sender {
  readonly outbox: SendQueue
  readonly runtime: { readonly options: { readonly overflow: string } }
  push(frame: Frame): boolean
}

/** Sends a message; resolves when the kernel has taken it, and rejects with WsError when it never will. */
export function sendAndWait(sender: Sender, message: Outgoing, options: SendOptions): Promise<void> {
  const { binary, key, compress } = options
  return new Promise((resolve, reject) => {
    const settle = (error?: Error | null): void => {
      if (error === undefined || error === null) resolve()
      else reject(error instanceof WsError ? error : new WsError('closed', { cause: error }))
    }
    const push = (): void => void sender.push(frameOf(message, binary, { key, compress, settle }))
    if (sender.runtime.options.overflow === 'block') sender.outbox.whenRoom(push)
    else push()
  })
}
