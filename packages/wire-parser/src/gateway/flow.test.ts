// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest'
import { Flow, type FlowOwner } from './flow.ts'
import { Outlet } from './outlet.ts'
import type { Transport } from './transport.ts'

const idle: Transport = {
  queuedBytes: 0,
  progress: 0,
  bytesRead: 0,
  bytesWritten: 0,
  start: () => undefined,
  write: () => undefined,
  writeAll: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
  end: () => undefined,
  destroy: () => undefined,
}

// What a hook was given may be looked at for as long as the hook likes, and nobody waits for it any more.
it('a flow that is closed gives no read buffer back', () => {
  const owner: FlowOwner = {
    operation: () => undefined,
    error: () => undefined,
    forwarding: () => true,
    failed: () => undefined,
  }
  const limits = { highWaterBytes: 1, maxPendingHooks: 1 }
  const flow = new Flow({ source: idle, outlet: new Outlet(idle), owner, parser: { side: 'client' }, limits })
  expect(flow.keepsBytes).toBe(false)
  flow.close()
  expect(flow.keepsBytes).toBe(true)
})
