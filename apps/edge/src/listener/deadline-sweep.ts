// SPDX-License-Identifier: Apache-2.0
import type { Exchange } from '../exchange.ts'

export interface ExchangeDeadlines {
  readonly bodyMs: number
  readonly minBodyBytesPerSecond: number
  readonly writeMs: number
}

const rateGraceMs = 5000

/** Looks at every exchange once a second and ends those whose client sends or takes too slowly. */
export function sweepDeadlines(exchanges: Iterable<Exchange>, deadlines: ExchangeDeadlines): void {
  const nowMs = performance.now()
  for (const exchange of exchanges) {
    if (!exchange.incoming.complete) sweepBody(exchange, deadlines, nowMs)
    else sweepWrite(deadlines, exchange)
  }
}

function sweepBody(exchange: Exchange, deadlines: ExchangeDeadlines, nowMs: number): void {
  const elapsedMs = nowMs - exchange.startedMs
  const received = exchange.socket.bytesRead - exchange.bytesReadBefore
  const tooSlow = elapsedMs > rateGraceMs && received < (deadlines.minBodyBytesPerSecond * elapsedMs) / 1000
  // A handler that does not read makes the client wait: that is not the client's slowness.
  const unread = exchange.incoming.readableLength > 0 || exchange.outgoing?.headersSent === true
  if (elapsedMs > deadlines.bodyMs || (tooSlow && !unread)) {
    exchange.answer({ code: 'slow_request', detail: 'The request body did not arrive in time.' }, true)
  }
}

// Node's own socket timeout sees progress inside one large write, which counting bytes from here would not.
function sweepWrite({ writeMs }: ExchangeDeadlines, exchange: Exchange): void {
  const stuck = exchange.outgoing?.headersSent === true && exchange.socket.writableLength > 0
  if (stuck === exchange.watched) return
  exchange.watched = stuck
  exchange.socket.setTimeout(stuck ? writeMs : 0)
}
