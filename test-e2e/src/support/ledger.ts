// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'

/** Puts numbered messages into the stream LEDGER, each until it is acknowledged, until it is stopped. */
export abstract class Ledger {
  readonly acknowledged: string[] = []
  readonly #name: string
  #isStopped = false

  constructor(name: string) {
    this.#name = name
  }

  /** Sends the message, whose content is its id as JSON, and resolves with whether it was acknowledged. */
  protected abstract put(id: string): Promise<boolean>

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const id = `${this.#name}-${this.acknowledged.length}`
      if (await this.put(id)) this.acknowledged.push(id)
      else await delay(20)
    }
  }

  stop(): void {
    this.#isStopped = true
  }
}

/** How often each message is in the stream LEDGER. */
export async function storedCounts(nats: NatsConnection): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const messages = await (await jetstream(nats).consumers.get('LEDGER')).consume()
  for await (const message of messages) {
    const id = message.json<string>()
    counts.set(id, (counts.get(id) ?? 0) + 1)
    if (message.info.pending === 0) messages.stop()
  }
  return counts
}
