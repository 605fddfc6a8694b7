// SPDX-License-Identifier: Apache-2.0
import type { LoadResult } from './load-result.ts'
import { WireClient } from './wire-client.ts'
import { failureOf, within, type WireLoadOptions } from './wire-load.ts'
import { type Batch, deliveryBytes, publishOperation, repeated, wireSubject } from './wire-operations.ts'

// What may be on its way to a subscriber: far below what makes a server close a slow one.
const windowBytes = 8 * 2 ** 20

/** Publishes for so long; all of it counts once the PONG behind it is there. */
export async function runPublishLoad(options: WireLoadOptions): Promise<LoadResult> {
  const client = await WireClient.open({ url: options.url })
  try {
    const batch = batchFor(client, options)
    const startedAt = performance.now()
    let operations = 0
    while (performance.now() - startedAt < options.durationMs) {
      operations += batch.operations
      if (!client.write(batch.bytes)) await client.drained()
    }
    const isAnswered = await within(client.ping(), 0, options.answerMs)
    const seconds = (performance.now() - startedAt) / 1000
    return { operations, seconds, errors: isAnswered ? {} : { [failureOf(client)]: 1 }, latencyCounts: [] }
  } finally {
    client.close()
  }
}

/** Publishes for so long to a subscriber on a connection of its own; an operation is a message that has come there. */
export async function runDeliverLoad(options: WireLoadOptions): Promise<LoadResult> {
  const { url, size, durationMs, answerMs } = options
  const bytesEach = deliveryBytes(wireSubject, size)
  const arrivals = new Arrivals()
  const clients = await Promise.all([
    WireClient.open({ url }),
    WireClient.open({ url, deliveryBytes: bytesEach, onDeliveries: (count) => arrivals.add(count) }),
  ])
  const [publisher, subscriber] = clients
  try {
    await subscriber.subscribe(wireSubject)
    const batch = batchFor(publisher, options)
    const mayWait = Math.ceil(windowBytes / bytesEach)
    const startedAt = performance.now()
    let sent = 0
    const publish = async (): Promise<void> => {
      while (performance.now() - startedAt < durationMs) {
        await arrivals.reach(sent - mayWait, subscriber)
        sent += batch.operations
        if (!publisher.write(batch.bytes)) await publisher.drained()
      }
      await arrivals.reach(sent, subscriber)
    }
    await within(publish(), durationMs, answerMs)
    const seconds = (performance.now() - startedAt) / 1000
    // What comes too often comes before the PONG.
    await within(subscriber.ping(), 0, answerMs)
    const errors = errorsOf(clients, sent - arrivals.count)
    return { operations: arrivals.count, seconds, errors, latencyCounts: [] }
  } finally {
    for (const client of clients) client.close()
  }
}

/** Counts messages that have come. */
class Arrivals {
  count = 0
  #wake: (() => void) | undefined

  add(count: number): void {
    this.count += count
    this.#wake?.()
  }

  /** Resolves when so many have come; rejects when the connection ends before. */
  async reach(count: number, subscriber: WireClient): Promise<void> {
    while (this.count < count) {
      await subscriber.orEnd((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function batchFor({ isWebSocket }: WireClient, { size, framing }: WireLoadOptions): Batch {
  return repeated(publishOperation(wireSubject, size), isWebSocket ? framing : undefined)
}

function errorsOf(clients: readonly WireClient[], missing: number): Record<string, number> {
  const errors: Record<string, number> = {}
  if (missing !== 0) errors[missing > 0 ? 'messages lost' : 'messages too many'] = Math.abs(missing)
  const failed = clients.find(({ failure }) => failure !== undefined)
  if (failed !== undefined) errors[failureOf(failed)] = 1
  return errors
}
