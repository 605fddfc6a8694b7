// SPDX-License-Identifier: Apache-2.0
import { isRefusal } from '@nats-edge/wire-parser'
import type { Permit, Refusal } from '@nats-edge/wire-parser'
import { describe, expect, it } from 'vitest'
import { ConnectionCount } from '../listener/connection-table.ts'
import { WireAdmission } from './admission.ts'

function permit(answer: Permit | Refusal): Permit {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.code}`)
  return answer
}

function codeOf(answer: Permit | Refusal | undefined): string | undefined {
  return answer !== undefined && 'code' in answer ? answer.code : undefined
}

describe('a place for a NATS client', () => {
  it('over TCP counts with the connections of all listeners, over WebSocket it has been counted', () => {
    const count = new ConnectionCount()
    const admission = new WireAdmission({}, { count, connections: 2 })
    const one = permit(admission.admit({ transport: 'tcp' }))
    permit(admission.admit({ transport: 'ws' }))
    expect(count.open).toBe(1)
    // An HTTP connection.
    count.open++
    expect(codeOf(admission.admit({ transport: 'tcp' }))).toBe('too_many_connections')
    permit(admission.admit({ transport: 'ws' }))
    one.release()
    one.release()
    expect(count.open).toBe(1)
    permit(admission.admit({ transport: 'tcp' }))
  })

  it('is refused above the own bound of the gateway, whatever the transport, with a time to come back', () => {
    const admission = new WireAdmission({ maxConnections: 2 }, { count: new ConnectionCount(), connections: 100 })
    permit(admission.admit({ transport: 'tcp' }))
    const second = permit(admission.admit({ transport: 'ws' }))
    const refused = admission.admit({ transport: 'ws' })
    expect(refused).toEqual({ code: 'too_many_connections', retryAfterMs: expect.any(Number) })
    expect('retryAfterMs' in refused && refused.retryAfterMs).toBeGreaterThanOrEqual(1000)
    second.release()
    permit(admission.admit({ transport: 'ws' }))
  })

  it('counts against its principal, and moves with a new one', () => {
    const admission = new WireAdmission(
      { maxConnectionsPerUser: 1 },
      { count: new ConnectionCount(), connections: 100 },
    )
    const one = permit(admission.admit({ transport: 'tcp' }))
    const two = permit(admission.admit({ transport: 'tcp' }))
    expect([one.identify('a'), one.identify('a')]).toEqual([undefined, undefined])
    expect(codeOf(two.identify('a'))).toBe('rate_limited')
    expect(one.identify('b')).toBeUndefined()
    expect(two.identify('a')).toBeUndefined()
    two.release()
    expect(two.identify('c')).toBeUndefined()
    expect(one.identify('a')).toBeUndefined()
  })
})
