// SPDX-License-Identifier: Apache-2.0
import { createReadStream, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeHeapSnapshot } from 'node:v8'
import type { Profile } from './profile.ts'

/**
 * Everything on the heap, as a .heapsnapshot; nothing else runs meanwhile. V8 writes it in one go, whether or not anybody
 * takes it, so it goes through a file: in memory it would be as large as the heap once more.
 */
export function heapSnapshot(): Profile {
  const folder = mkdtempSync(join(tmpdir(), 'nats-edge-'))
  try {
    const file = writeHeapSnapshot(join(folder, 'heap'))
    const fd = openSync(file, 'r')
    return { bytes: fstatSync(fd).size, content: createReadStream('', { fd }) }
  } finally {
    // What is open can still be read; nobody else can open it any more, and nothing is left when the process ends.
    rmSync(folder, { recursive: true, force: true })
  }
}
