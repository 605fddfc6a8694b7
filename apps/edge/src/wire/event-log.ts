// SPDX-License-Identifier: Apache-2.0
import { TokenBucket } from '@nats-edge/wire-parser'
import type { GatewayEvent } from '@nats-edge/wire-parser/gateway'
import type { Logger } from '../log.ts'

type Level = 'error' | 'warn' | 'info' | 'debug'

const maxText = 128
// A client decides how often it is refused: what it can cause must not fill a disk.
const linesPerSecond = 100

const levels: Readonly<Record<GatewayEvent['type'], Level>> = {
  'listener.error': 'error',
  'connection.refused': 'info',
  'connection.opened': 'debug',
  'connection.closed': 'info',
  'tls.failed': 'info',
  'auth.passed': 'debug',
  'auth.failed': 'warn',
  'operation.denied': 'info',
  'operation.dropped': 'info',
  'operation.limited': 'info',
  'operation.replaced': 'debug',
  'subscription.added': 'debug',
  'subscription.removed': 'debug',
  'publish.sampled': 'info',
  'hook.failed': 'error',
  'backend.connected': 'debug',
  'backend.failed': 'warn',
  // Each of its clients has a line that says so, and a login the server refuses looks the same.
  'backend.lost': 'debug',
}

/** Writes what happens in the gateway to the log, at most 100 lines a second; those left out are counted in the next one. */
export function wireEventLog(log: Logger, isAccessLogged: boolean): (event: GatewayEvent) => void {
  const bucket = new TokenBucket({ ratePerSecond: linesPerSecond, burst: linesPerSecond })
  let leftOut = 0
  return (event) => {
    const level = levels[event.type]
    if (!log.isLevelEnabled(level)) return
    // The line of a connection is what the access line is of a request.
    if (event.type === 'connection.closed' && !isAccessLogged) return
    if (bucket.take(performance.now()) > 0) {
      leftOut++
      return
    }
    const { type, ...fields } = event
    const line: Record<string, unknown> = { surface: 'wire', event: type }
    for (const [name, value] of Object.entries(fields)) {
      if (name === 'error') Object.assign(line, faultOf(event.type, value))
      else line[name] = typeof value === 'string' ? value.slice(0, maxText) : value
    }
    if (leftOut > 0) line['leftOut'] = leftOut
    leftOut = 0
    log[level](line, messages[event.type])
  }
}

// Where a defect may be behind it, a stack says where; what others do is one line.
function faultOf(type: GatewayEvent['type'], error: unknown): Readonly<Record<string, unknown>> {
  if (type === 'hook.failed' || type === 'listener.error') return { err: error }
  return { reason: (error instanceof Error ? error.message : String(error)).slice(0, maxText) }
}

const messages: Readonly<Record<GatewayEvent['type'], string>> = {
  'listener.error': 'the listener failed',
  'connection.refused': 'client turned away',
  'connection.opened': 'client connected',
  'connection.closed': 'client gone',
  'tls.failed': 'TLS handshake failed',
  'auth.passed': 'login passed on',
  'auth.failed': 'login refused',
  'operation.denied': 'operation refused',
  'operation.dropped': 'operation lost',
  'operation.limited': 'operation limited',
  'operation.replaced': 'operation replaced',
  'subscription.added': 'subscribed',
  'subscription.removed': 'unsubscribed',
  'publish.sampled': 'published',
  'hook.failed': 'a hook threw',
  'backend.connected': 'server connected',
  'backend.failed': 'server not reachable',
  'backend.lost': 'server lost',
}
