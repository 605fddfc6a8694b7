// SPDX-License-Identifier: Apache-2.0
import { checkKeys, checkWhole } from './option-check.ts'

/** How long and how often a client may publish to a reply subject that was delivered to it. */
export interface ResponsePermissionOptions {
  /** Replies to one delivery. Default 1. */
  readonly max?: number
  /** Default 120000. */
  readonly ttlMs?: number
  /** Reply subjects remembered for a connection; the oldest leaves. Default 10000. */
  readonly maxReplies?: number
}

const keys = ['max', 'ttlMs', 'maxReplies'] as const

/** Checks the options; undefined where responses get no permission of their own. */
export function resolveResponses(
  where: string,
  options: boolean | ResponsePermissionOptions | undefined,
): Required<ResponsePermissionOptions> | undefined {
  if (options === undefined || options === false) return undefined
  const given: ResponsePermissionOptions = options === true ? {} : options
  checkKeys(where, given, keys)
  return Object.freeze({
    max: checkWhole(`${where}.max`, given.max, 1),
    ttlMs: checkWhole(`${where}.ttlMs`, given.ttlMs, 120_000),
    maxReplies: checkWhole(`${where}.maxReplies`, given.maxReplies, 10_000),
  })
}

interface Reply {
  left: number
  readonly endsAtMs: number
}

/** The reply subjects that were delivered on one connection and may still be published to. */
export class ResponsePermission {
  readonly #options: Required<ResponsePermissionOptions>
  readonly #nowMs: () => number
  readonly #replies = new Map<string, Reply>()

  constructor(options: Required<ResponsePermissionOptions>, nowMs: () => number = () => performance.now()) {
    this.#options = options
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#replies.size
  }

  /** Notes a delivery that asks for a reply. */
  note(replyTo: string): void {
    const { max, ttlMs, maxReplies } = this.#options
    const nowMs = this.#nowMs()
    // Insertion order is order of expiry, so what has expired stands in front.
    this.#replies.delete(replyTo)
    for (const [oldest, { endsAtMs }] of this.#replies) {
      if (endsAtMs > nowMs && this.#replies.size < maxReplies) break
      this.#replies.delete(oldest)
    }
    this.#replies.set(replyTo, { left: max, endsAtMs: nowMs + ttlMs })
  }

  /** Whether one more message may be published to this subject. */
  take(subject: string): boolean {
    const reply = this.#replies.get(subject)
    if (reply === undefined) return false
    reply.left -= 1
    const isLive = reply.endsAtMs > this.#nowMs()
    if (reply.left === 0 || !isLive) this.#replies.delete(subject)
    return isLive
  }
}
