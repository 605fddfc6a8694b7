// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import type { Mount } from './capability.ts'
import type { Listener } from './listener.ts'
import type { Logger } from './log.ts'

export interface ShutdownOptions {
  /** Readiness is refused this long before accepting stops. */
  readonly delayMs: number
  /** Longest time altogether. */
  readonly graceMs: number
}

/** What is shut down, in the order it stands here. */
export interface ShutdownParts {
  readonly publicListener: Listener
  readonly mounts: readonly Mount[]
  /** Lets go of NATS: flushes, closes the connection, stops the embedded broker. */
  readonly closeNats: (timeoutMs: number) => Promise<void>
  readonly adminListener: Listener
  readonly log: Logger
}

// An idle connection is used within this time by a client that is at work; after it, closing hurts nobody.
const idleLingerMs = 1000
const natsMs = 2000

/**
 * Drains: accepts no more, answers what comes on open connections with `Connection: close`, lets requests finish and
 * surfaces say goodbye, then lets go of NATS. The admin listener answers until the end.
 */
export async function shutDown(parts: ShutdownParts, options: ShutdownOptions): Promise<void> {
  const deadlineMs = performance.now() + options.graceMs
  const leftMs = (): number => Math.max(0, deadlineMs - performance.now())
  await delay(Math.min(options.delayMs, leftMs()))
  // Whole, as options of packages are.
  const drainMs = Math.floor(Math.max(0, leftMs() - natsMs))
  parts.publicListener.stopAccepting()
  const closed = parts.mounts.map((mount) => closeMount(mount, drainMs, parts.log))
  const own = closed.filter((_, index) => (parts.mounts[index]?.listeners?.length ?? 0) > 0)
  // Clients on a surface's own listener have as much time to go as those of the public one.
  const goodbyes = Promise.race([Promise.all(own), delay(drainMs, undefined, { ref: false })])
  await Promise.all([drainListener(parts.publicListener, drainMs, parts.log), goodbyes])
  // Nobody can ask for anything any more: whoever still serves may stop.
  for (const mount of parts.mounts) closed.push(closeMount(mount, 0, parts.log))
  await Promise.race([Promise.all(closed), delay(leftMs(), undefined, { ref: false })])
  parts.publicListener.destroy()
  await parts.closeNats(Math.min(natsMs, Math.max(100, leftMs())))
  parts.adminListener.destroy()
}

async function drainListener(listener: Listener, drainMs: number, log: Logger): Promise<void> {
  const startedMs = performance.now()
  await listener.drained(Math.min(idleLingerMs, drainMs))
  listener.closeIdle()
  const drained = await listener.drained(Math.max(0, drainMs - (performance.now() - startedMs)))
  if (!drained && listener.inFlight > 0)
    log.warn({ inFlight: listener.inFlight }, 'requests were cut off by the end of grace')
}

async function closeMount(mount: Mount, drainMs: number, log: Logger): Promise<void> {
  try {
    await mount.capability.close({ drainMs, serveRequests: drainMs > 0 })
  } catch (error) {
    log.error({ err: error, surface: mount.surface }, 'a surface failed to close')
  }
}
