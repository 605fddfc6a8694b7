// SPDX-License-Identifier: Apache-2.0
import { jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { vi } from 'vitest'
import type { WsClient } from './ws-client.ts'

interface Answer {
  readonly id: string
  readonly data?: { readonly seq: number; readonly duplicate: boolean }
  readonly error?: { readonly code: string }
}

/** Sends a message until a stream has it, then the next one, always with its own id. */
export class Ledger {
  readonly acknowledged: string[] = []
  readonly refused = new Set<string>()
  readonly #client: WsClient
  readonly #name: string
  #isStopped = false
  #seen = 0

  constructor(client: WsClient, name: string) {
    this.#client = client
    this.#name = name
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const id = `${this.#name}-${this.acknowledged.length}`
      while (!(await this.#put(id))) await new Promise((resolve) => setTimeout(resolve, 20))
      this.acknowledged.push(id)
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  async #put(id: string): Promise<boolean> {
    this.#client.sendJson({ type: 'put', id, data: id })
    const { texts } = this.#client
    await vi.waitUntil(() => texts.length > this.#seen || !this.#client.isOpen, { timeout: 30_000, interval: 2 })
    if (!this.#client.isOpen) throw new Error('the socket was closed')
    const answer = JSON.parse(texts[this.#seen++] ?? '') as Answer
    if (answer.id !== id) throw new Error(`an answer to ${answer.id}, not to ${id}`)
    if (answer.error !== undefined) this.refused.add(answer.error.code)
    return answer.data !== undefined
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
