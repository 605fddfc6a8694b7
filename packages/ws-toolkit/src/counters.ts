// SPDX-License-Identifier: Apache-2.0
import { Histogram } from '@nats-edge/wire-parser'
import type { OverflowPolicy } from './overflow-policy.ts'
import type { LimitName } from './event.ts'
import type { WsErrorCode } from './ws-error.ts'

/** How the requests of one route went. */
export class RouteCounters {
  /** Requests that were begun and not answered at once. */
  active = 0
  readonly seconds: Histogram = new Histogram()
  readonly codes: Map<'ok' | WsErrorCode, number> = new Map()

  finished(code: 'ok' | WsErrorCode, ms: number): void {
    this.seconds.observe(ms / 1000)
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
  }
}

/** The plain numbers of one channel, bumped as things happen and read at scrape time. */
export class ChannelCounters {
  opened = 0
  readonly closed: Map<number, number> = new Map()
  /** Of connections that are gone; those of the living are added when asked for. */
  bytesIn = 0
  bytesOut = 0
  messagesIn = 0
  messagesOut = 0
  ignored = 0
  heartbeatsMissed = 0
  failures = 0
  readonly dropped: Record<OverflowPolicy, number> = {
    close: 0,
    block: 0,
    'drop-oldest': 0,
    'drop-newest': 0,
    coalesce: 0,
  }
  readonly limits: Record<LimitName, number> = { messages: 0, bytes: 0, control: 0, subscriptions: 0, rooms: 0 }
  readonly rttSeconds: Histogram = new Histogram()
  readonly routes: Map<string, RouteCounters> = new Map()

  route(pattern: string): RouteCounters {
    let counters = this.routes.get(pattern)
    if (counters === undefined) {
      counters = new RouteCounters()
      this.routes.set(pattern, counters)
    }
    return counters
  }

  closedWith(code: number): void {
    this.closed.set(code, (this.closed.get(code) ?? 0) + 1)
  }
}
