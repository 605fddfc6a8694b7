// SPDX-License-Identifier: Apache-2.0
import type { ChannelConnection } from './channel-connection.ts'
import { closeCode } from './close-code.ts'
import type { ConnectionLife, Verdict } from './connection-life.ts'
import { cancel, schedule } from './deadline.ts'

/** Does what a visit of the heartbeat has found to be done. */
export function carryOut<U>(verdict: Verdict, connection: ChannelConnection<U>, silentMs: number): void {
  switch (verdict) {
    case 'missed': {
      const { id, runtime } = connection
      runtime.counters.heartbeatsMissed += 1
      runtime.observe?.({ type: 'heartbeat.missed', channel: runtime.path, id, silentMs })
      // Whoever answers no ping answers no close frame either.
      connection.terminate()
      return
    }
    case 'stalled':
      connection.backlog.stalled()
      return
    case 'idle':
      void connection.close(closeCode.goingAway, 'inactivity timeout')
      return
    case 'lifetime':
      rebalance(connection)
      return
    case 'credential':
      void connection.shut({ code: closeCode.credentialExpired, reason: 'credential expired', cause: 'expired' })
      return
    case 'ping':
    case undefined:
  }
}

/** Nothing is wrong with this client: requests under way may end first. */
function rebalance<U>(connection: ChannelConnection<U>): void {
  const overtime = new AbortController()
  const deadline = schedule(connection.closeTimeoutMs, () => overtime.abort())
  const goodbye = { code: closeCode.rebalanced, reason: 'lifetime', cause: 'expired' } as const
  void connection.shut(goodbye, { wait: overtime.signal }).then(() => cancel(deadline))
}

/** A pong has come: counts the time since its ping; false when there was none. */
export function countRoundTrip<U>(
  { id, runtime }: ChannelConnection<U>,
  life: ConnectionLife,
  payload: Buffer,
): boolean {
  const ms = life.answered(Number(payload.toString('latin1')), performance.now())
  if (ms === undefined) return false
  runtime.counters.rttSeconds.observe(ms / 1000)
  runtime.observe?.({ type: 'heartbeat.rtt', channel: runtime.path, id, ms })
  return true
}
