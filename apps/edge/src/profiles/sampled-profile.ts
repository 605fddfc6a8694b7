// SPDX-License-Identifier: Apache-2.0
import type { Session } from 'node:inspector/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Profile } from './profile.ts'

/** Where the time goes for `ms` milliseconds, as a .cpuprofile; rejects once `signal` aborts. */
export function cpuProfile(ms: number, signal: AbortSignal): Promise<Profile> {
  return withSession(async (session) => {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await delay(ms, undefined, { signal })
    return (await session.post('Profiler.stop')).profile
  })
}

/** What is allocated for `ms` milliseconds and is still there after them, as a .heapprofile; rejects once `signal` aborts. */
export function heapProfile(ms: number, signal: AbortSignal): Promise<Profile> {
  return withSession(async (session) => {
    await session.post('HeapProfiler.enable')
    await session.post('HeapProfiler.startSampling')
    await delay(ms, undefined, { signal })
    return (await session.post('HeapProfiler.stopSampling')).profile
  })
}

async function withSession(take: (session: Session) => Promise<object>): Promise<Profile> {
  // Loaded when it is needed: there are builds of Node without it.
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  try {
    session.connect()
    const text = Buffer.from(JSON.stringify(await take(session)))
    return { bytes: text.byteLength, content: Readable.from([text]) }
  } finally {
    // Ends a profile that still runs, too.
    session.disconnect()
  }
}
