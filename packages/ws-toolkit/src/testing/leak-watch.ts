// SPDX-License-Identifier: Apache-2.0
import { EventEmitter, getEventListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { pendingDeadlines } from '../deadline.ts'
import type { WsGateway } from '../ws-gateway.ts'
import { TimerWatch } from './timer-watch.ts'

/** What listeners may be left on. */
export type Watched = EventEmitter | AbortSignal

/** What there is more of than at the start (or less), by name; empty when everything is back. */
export type LeakReport = Readonly<Record<string, number>>

export interface LeakWatchOptions {
  /** What the code under test listens to, besides the process: servers, signals, connections. */
  readonly listenTo?: readonly Watched[]
}

/** Compares a gateway and its process with what they were when the watch began. */
export interface LeakWatch {
  /** Waits up to `withinMs`, 2,000 by default, for everything to be back, and says what is not. */
  report(withinMs?: number): Promise<LeakReport>
  /** Ends the watch, which costs some time on every promise and timer. */
  stop(): void
}

type Counts = Map<string, number>

// How often to look; what is counted changes by itself only with the event loop.
const lookEveryMs = 10

// Taken here: fake timers of a test must not stop the wait for real ones.
const nowMs = performance.now.bind(performance)

/**
 * Watches a gateway that is served in any way: its gauges (connections, places taken, rooms, requests), deadlines,
 * timers of this package, sockets of the process, and listeners.
 */
export function watchLeaks(gateway: WsGateway, options: LeakWatchOptions = {}): LeakWatch {
  return countingWatch(() => processSockets(gaugesOf(gateway)), options)
}

/** The same with other counts in the place of those of the gateway and of sockets. */
export function countingWatch(counts: () => Counts, { listenTo = [] }: LeakWatchOptions): LeakWatch {
  const timers = new TimerWatch()
  const look = (): Counts => {
    const now = counts()
    now.set('deadlines', pendingDeadlines())
    now.set(
      'listeners',
      [process, ...listenTo].reduce((sum, watched) => sum + listenersOf(watched), 0),
    )
    for (const [place, count] of timers.count()) now.set(`timers set at ${place}`, count)
    return now
  }
  const start = look()
  return {
    report: async (withinMs = 2000) => {
      const untilMs = nowMs() + withinMs
      for (;;) {
        const report = difference(start, look())
        if (Object.keys(report).length === 0 || nowMs() >= untilMs) return report
        await delay(lookEveryMs)
      }
    },
    stop: () => timers.stop(),
  }
}

/** The gauges of a gateway, each sample by its labels. */
export function gaugesOf(gateway: WsGateway): Counts {
  const counts: Counts = new Map()
  for (const { name, kind, samples } of gateway.stats()) {
    if (kind !== 'gauge') continue
    for (const { labels, value } of samples) {
      const text = Object.entries(labels).map(([label, of]) => `${label}=${of}`)
      if (typeof value === 'number') counts.set([name, ...text].join(' '), value)
    }
  }
  return counts
}

function processSockets(counts: Counts): Counts {
  for (const type of process.getActiveResourcesInfo()) {
    if (type === 'TCPSocketWrap' || type === 'TLSWrap') counts.set('sockets', (counts.get('sockets') ?? 0) + 1)
  }
  return counts
}

function listenersOf(watched: Watched): number {
  if (!(watched instanceof EventEmitter)) return getEventListeners(watched, 'abort').length
  return watched.eventNames().reduce((sum, name) => sum + watched.listenerCount(name), 0)
}

function difference(start: Counts, now: Counts): LeakReport {
  const names = new Set([...start.keys(), ...now.keys()])
  const report: Record<string, number> = {}
  for (const name of [...names].sort()) {
    const more = (now.get(name) ?? 0) - (start.get(name) ?? 0)
    if (more !== 0) report[name] = more
  }
  return report
}
