// SPDX-License-Identifier: Apache-2.0
import { LruMap } from '@nats-edge/wire-parser'
import { OwnedKeys } from './owned-keys.ts'
import type { RecordedReply } from './recorded-reply.ts'

/** A reply with its times, of a monotonic clock. */
export interface StoredReply extends RecordedReply {
  readonly freshUntil: number
  readonly staleUntil: number
  /** The id of the principal it was for; undefined: anybody's. */
  readonly owner: string | undefined
}

// What an entry takes beside its reply and its key.
const overheadBytes = 200

/** Replies by key, of which the most recently used are kept. */
export class ReplyStore {
  readonly #entries = new LruMap<string, StoredReply>()
  readonly #owned = new OwnedKeys()
  readonly #maxEntries: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Gives what may still be used at `now`. */
  get(key: string, now: number): StoredReply | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.staleUntil > now) return entry
    this.delete(key)
    return undefined
  }

  set(key: string, entry: StoredReply): void {
    this.delete(key)
    this.#entries.set(key, entry)
    this.#owned.add(entry.owner, key)
    this.#bytes += costOf(key, entry)
    while (this.#entries.size > this.#maxEntries || this.#bytes > this.#maxBytes) {
      if (this.#entries.oldest === undefined) return
      this.delete(this.#entries.oldest)
    }
  }

  delete(key: string): void {
    const entry = this.#entries.delete(key)
    if (entry === undefined) return
    this.#owned.delete(entry.owner, key)
    this.#bytes -= costOf(key, entry)
  }

  /** Whose replies there are; they may be deleted meanwhile. */
  owners(): Iterable<string> {
    return this.#owned.owners()
  }

  deleteOwned(owner: string): void {
    for (const key of this.#owned.of(owner)) this.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#owned.clear()
    this.#bytes = 0
  }
}

function costOf(key: string, entry: StoredReply): number {
  return entry.bytes + key.length * 2 + overheadBytes
}
