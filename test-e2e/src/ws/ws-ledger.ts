// SPDX-License-Identifier: Apache-2.0
import { vi } from 'vitest'
import { Ledger } from '../support/ledger.ts'
import type { WsClient } from './ws-client.ts'

interface Answer {
  readonly id: string
  readonly data?: { readonly seq: number; readonly duplicate: boolean }
  readonly error?: { readonly code: string }
}

/** A ledger kept by requests `put` of a WebSocket, whose run rejects when that is closed. */
export class WsLedger extends Ledger {
  readonly refused = new Set<string>()
  readonly #client: WsClient
  #seen = 0

  constructor(client: WsClient, name: string) {
    super(name)
    this.#client = client
  }

  protected async put(id: string): Promise<boolean> {
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
