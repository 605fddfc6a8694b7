// SPDX-License-Identifier: Apache-2.0
import type { Operation } from './operation.ts'
import { Parser } from './parser.ts'
import type { Side } from './verb-table.ts'
import { WireError } from './wire-error.ts'

/** Reads whole operations, as tests and tools want them; throws WireError for what a connection would be closed for. */
export function parseOperations(bytes: Uint8Array, side: Side): Operation[] {
  const operations: Operation[] = []
  let fault: WireError | undefined
  const parser = new Parser(
    { side },
    { operation: (view) => void operations.push(view.copy()), error: (error) => void (fault = error) },
  )
  parser.push(bytes)
  if (fault !== undefined) throw fault
  if (parser.heldBytes > 0) throw new WireError('bad_line_end', 'the last operation is incomplete')
  return operations
}
