// SPDX-License-Identifier: Apache-2.0
import type { WireClient } from './wire-client.ts'
import type { Framing } from './wire-operations.ts'

export interface WireLoadOptions {
  /** `nats://host:port` or `ws://host:port/path`. */
  readonly url: string
  /** Of each payload. */
  readonly size: number
  readonly framing: Framing
  readonly durationMs: number
  /** How long an answer may take. Default 10000. */
  readonly answerMs?: number
}

const defaultAnswerMs = 10_000

/** Whether something comes to its end, and in time. */
export async function within(
  work: Promise<unknown>,
  extraMs = 0,
  answerMs: number = defaultAnswerMs,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), answerMs + extraMs)
  })
  const ended = work.then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([ended, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What an error is counted under. */
export function failureOf({ failure }: WireClient): string {
  return failure?.message ?? 'no answer in time'
}
