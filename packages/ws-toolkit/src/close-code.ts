// SPDX-License-Identifier: Apache-2.0

/** The close codes of the whole product (RFC 6455, 7.4, and our own from 4000 on); applications use 4300 to 4999. */
export const closeCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  restart: 1012,
  tryAgainLater: 1013,
  kicked: 4000,
  replaced: 4001,
  refused: 4002,
  badVersion: 4003,
  overQuota: 4100,
  slowConsumer: 4108,
  rebalanced: 4200,
  credentialExpired: 4201,
} as const

/** What a client does after a close: comes back never, later, or at once (or when the hint says). */
export type CloseClass = 'stop' | 'back-off' | 'reconnect'

/** How a connection ended. */
export interface CloseInfo {
  readonly code: number
  readonly reason: string
  /** Whether both sides said goodbye. */
  readonly wasClean: boolean
}

/** A close reason that tells the client when to come back. */
export interface CloseHint {
  readonly retryAfterMs: number
}

const maxReasonBytes = 123
const stops: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1009])

/** Says what a client makes of a close code; unknown ones are backed off from. */
export function closeClass(code: number): CloseClass {
  if (stops.has(code) || (code >= 4000 && code <= 4099)) return 'stop'
  return code === closeCode.restart || (code >= 4200 && code <= 4299) ? 'reconnect' : 'back-off'
}

/** Whether a close frame may carry the code; 1005, 1006 and 1015 only ever stand for a missing one. */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false
  if (code >= 1000 && code <= 1014) return code !== 1004 && code !== 1005 && code !== 1006
  return code >= 3000 && code <= 4999
}

/** Gives the code to pass on for one received from another socket: what cannot be sent becomes 1011. */
export function relayedCloseCode(code: number): number {
  return isCloseCode(code) ? code : closeCode.internalError
}

/** Writes a reason as the close frame takes it: at most 123 bytes of UTF-8, cut between characters. */
export function closeReason(reason: string | CloseHint): string {
  const text = typeof reason === 'string' ? reason : JSON.stringify({ retryAfterMs: reason.retryAfterMs })
  if (text.length * 3 <= maxReasonBytes || Buffer.byteLength(text) <= maxReasonBytes) return text
  const bytes = Buffer.from(text)
  let end = maxReasonBytes
  // A byte of the form 10xxxxxx goes on with a character that began before it.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}

/** Reads the hint out of a close reason; undefined where it is none. */
export function parseCloseHint(reason: string): CloseHint | undefined {
  if (!reason.startsWith('{')) return undefined
  try {
    const hint: unknown = JSON.parse(reason)
    if (typeof hint !== 'object' || hint === null || !('retryAfterMs' in hint)) return undefined
    const { retryAfterMs } = hint
    return typeof retryAfterMs === 'number' && retryAfterMs >= 0 && retryAfterMs < Infinity
      ? { retryAfterMs }
      : undefined
  } catch {
    return undefined
  }
}
