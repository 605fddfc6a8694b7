// SPDX-License-Identifier: Apache-2.0
import { cancel, schedule } from '../deadline.ts'
import { WsError } from '../ws-error.ts'

/** Waits, or rejects with WsError when the signal is aborted first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal))
      return
    }
    const leave = (): void => {
      cancel(timer)
      reject(abortError(signal))
    }
    const timer = schedule(ms, () => {
      signal.removeEventListener('abort', leave)
      resolve()
    })
    signal.addEventListener('abort', leave, { once: true })
  })
}

/** What an aborted request is answered with. */
export function abortError(signal: AbortSignal): WsError {
  return abortErrorFor(signal.reason)
}

/** The same of the reason alone. */
export function abortErrorFor(reason: unknown): WsError {
  const error = WsError.from(reason)
  return error.code === 'internal' ? new WsError('cancelled', { cause: reason }) : error
}
