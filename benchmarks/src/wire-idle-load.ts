// SPDX-License-Identifier: Apache-2.0
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoadResult } from './load-result.ts'
import { WireClient } from './wire-client.ts'
import type { WireLoadOptions } from './wire-load.ts'
import { wireSubject } from './wire-operations.ts'

/** How many clients one run adds. */
export const idleClients = 250

const readBytes = 1024
const held: WireClient[] = []

/** Adds clients, one after the other, that have said CONNECT, SUB and PING, and keeps them until the process ends. */
export async function runIdleLoad({ url }: Pick<WireLoadOptions, 'url'>): Promise<LoadResult> {
  const latencies = new LatencyHistogram()
  const startedAt = performance.now()
  for (let i = 0; i < idleClients; i++) {
    const from = performance.now()
    const client = await WireClient.open({ url, readBytes })
    await client.subscribe(`${wireSubject}.${held.length}`)
    latencies.record((performance.now() - from) * 1000)
    held.push(client)
  }
  const lost = held.filter(({ failure }) => failure !== undefined).length
  return {
    operations: idleClients,
    seconds: (performance.now() - startedAt) / 1000,
    errors: lost === 0 ? {} : { 'clients lost': lost },
    latencyCounts: latencies.counts(),
  }
}

/** Closes the clients of all runs. */
export function closeIdleClients(): void {
  for (const client of held.splice(0)) client.close()
}
