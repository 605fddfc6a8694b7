// SPDX-License-Identifier: Apache-2.0
import { controlLineRoom, writeControlLine } from '../encode.ts'
import type { OperationView } from '../operation.ts'

/** A message again with another header block, in one segment. An empty block makes it a PUB or MSG. */
export function withHeaders(view: OperationView, headers: Uint8Array): Uint8Array {
  const { payload } = view
  const total = headers.length + payload.length
  const buffer = Buffer.allocUnsafe(controlLineRoom(view) + total + 2)
  const line = writeControlLine(buffer, 0, view, headers.length === 0 ? -1 : headers.length, total)
  buffer.set(headers, line)
  buffer.set(payload, line + headers.length)
  const end = line + total
  buffer[end] = 13
  buffer[end + 1] = 10
  return buffer.subarray(0, end + 2)
}
