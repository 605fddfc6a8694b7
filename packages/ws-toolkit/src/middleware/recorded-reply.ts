// SPDX-License-Identifier: Apache-2.0
import type { SendOptions } from '../connection.ts'
import { Frame } from '../frame.ts'

/** An answer beside the one that was returned. */
export interface ExtraReply {
  readonly value: unknown
  readonly options: SendOptions | undefined
}

/** All a request was answered with: what went beside, and one value or the items of a stream. */
export interface RecordedReply {
  readonly extras: readonly ExtraReply[]
  readonly value: unknown
  /** Undefined: the answer is `value`. */
  readonly items: readonly unknown[] | undefined
  readonly bytes: number
}

/** Gives a value that may be kept: bytes that are a view of something larger are copied, which they would keep alive. */
export function keepable(value: unknown): unknown {
  if (!(value instanceof Uint8Array) || value.byteLength === value.buffer.byteLength) return value
  // Not slice(): that of a Buffer copies nothing.
  return new Uint8Array(value)
}

/** About how many bytes keeping a value takes; Infinity for what cannot be told. */
export function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length * 2
  if (value instanceof Uint8Array) return value.byteLength
  if (typeof value !== 'object' || value === null) return 8
  if (value instanceof Frame) return value.size
  try {
    return JSON.stringify(value).length * 2
  } catch {
    return Infinity
  }
}
