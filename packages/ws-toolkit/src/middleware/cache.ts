// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import type { Middleware, Next, Reply } from '../chain.ts'
import type { Connection } from '../connection.ts'
import { cancel, schedule } from '../deadline.ts'
import { checkKeys, flag, hook, whole } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { CacheScope } from './cache-scope.ts'
import { Flight } from './flight.ts'
import { OwnedKeys } from './owned-keys.ts'
import type { RecordedReply } from './recorded-reply.ts'
import { ReplyStore, type StoredReply } from './reply-store.ts'

export interface CacheOptions<U = unknown> {
  /**
   * What the answer depends on, beside channel, parameters of the path, route, key of the message and id of the
   * principal; '' or undefined passes by the cache.
   */
  readonly key: (request: WsRequest<U>) => string | undefined
  /** How long an answer is kept; at 0 or less equal requests are merged, and nothing is kept. */
  readonly ttlMs: number | ((request: WsRequest<U>) => number)
  /** How long an older answer is given while a new one is fetched. Default 0. */
  readonly staleMs?: number
  /** Default 10,000. */
  readonly maxEntries?: number
  /** Of all answers together. Default 67,108,864. */
  readonly maxBytes?: number
  /** A larger answer is not kept, and a reader of a stream may lag behind by as much. Default 1,048,576. */
  readonly maxEntryBytes?: number
  /** Gives one principal what another asked for, whatever becomes of either. Default false. */
  readonly shared?: boolean
}

export interface CacheStats {
  readonly hits: number
  readonly staleHits: number
  /** Requests that waited for another's answer. */
  readonly merged: number
  readonly misses: number
  readonly entries: number
  readonly bytes: number
}

export interface Cache<U = unknown> extends Middleware<U> {
  stats(): CacheStats
  close(): void
}

/**
 * Gives equal requests one answer: merges those under way, whatever their connections, and keeps what came. Streams are
 * shared and kept as lists. An answer goes to many, so nobody may change it; errors are not kept. What a principal was
 * told is forgotten when `updatePrincipals()` replaces or ends it; what is `shared` is nobody's, and stays.
 */
export function cache<U>(options: CacheOptions<U>): Cache<U> {
  checkKeys('cache', options, ['key', 'ttlMs', 'staleMs', 'maxEntries', 'maxBytes', 'maxEntryBytes', 'shared'])
  if (hook('cache.key', options.key) === undefined) throw new TypeError('cache.key: is missing')
  const store = new AnswerCache(options)
  const middleware: Middleware<U> = (request, next) => store.answer(request, next)
  return Object.assign(middleware, {
    stats: () => store.stats(),
    principalsUpdated: (isConnected: (id: string) => boolean) => store.forgetUnless(isConnected),
    principalChanged: (_connection: Connection, before: Principal) => store.forget(before.id),
    close: () => store.close(),
  })
}

/** A call under way. */
interface Call<U> {
  readonly flight: Flight<U>
  readonly owner: string | undefined
  /** Whoever asked may not be told the same again. */
  isForgotten: boolean
}

class AnswerCache<U> {
  readonly #options: CacheOptions<U>
  readonly #ttlOf: (request: WsRequest<U>) => number
  readonly #staleMs: number
  readonly #maxEntryBytes: number
  readonly #scope: CacheScope
  readonly #store: ReplyStore
  readonly #calls = new Map<string, Call<U>>()
  readonly #owned = new OwnedKeys()
  #hits = 0
  #staleHits = 0
  #merged = 0
  #misses = 0
  #isClosed = false

  constructor(options: CacheOptions<U>) {
    const { ttlMs } = options
    if (typeof ttlMs !== 'function' && !Number.isFinite(ttlMs)) {
      throw new RangeError(`cache.ttlMs: ${String(ttlMs)} is neither a number nor a function`)
    }
    this.#options = options
    this.#ttlOf = typeof ttlMs === 'function' ? ttlMs : () => ttlMs
    this.#staleMs = whole('cache.staleMs', options.staleMs ?? 0, 0)
    this.#maxEntryBytes = whole('cache.maxEntryBytes', options.maxEntryBytes ?? 1_048_576)
    this.#scope = new CacheScope(flag('cache.shared', options.shared ?? false))
    const maxEntries = whole('cache.maxEntries', options.maxEntries ?? 10_000)
    this.#store = new ReplyStore(maxEntries, whole('cache.maxBytes', options.maxBytes ?? 67_108_864, 1, 2 ** 40))
  }

  answer(request: WsRequest<U>, next: Next<U>): Reply {
    const asked = this.#isClosed ? undefined : this.#options.key(request)
    if (asked === undefined || asked === '') return next()
    const key = this.#scope.keyOf(request, asked)
    const now = performance.now()
    const stored = this.#store.get(key, now)
    if (stored !== undefined) {
      this.#hits += 1
      if (stored.freshUntil <= now) this.#refresh(key, request, next, stored.staleUntil - now)
      return replay(stored, request)
    }
    const call = this.#calls.get(key)
    if (call !== undefined) {
      this.#merged += 1
      return call.flight.join(request)
    }
    this.#misses += 1
    return this.#open(key, request).start(request, next)
  }

  stats(): CacheStats {
    return {
      hits: this.#hits,
      staleHits: this.#staleHits,
      merged: this.#merged,
      misses: this.#misses,
      entries: this.#store.size,
      bytes: this.#store.bytes,
    }
  }

  /** Drops what a principal was told. Who waits for it gets it, as they asked before; it is not kept, and nobody joins. */
  forget(owner: string): void {
    this.#store.deleteOwned(owner)
    for (const key of this.#owned.of(owner)) {
      const call = this.#calls.get(key)
      if (call === undefined) continue
      this.#leave(key, call)
      call.isForgotten = true
      call.flight.release()
    }
  }

  /** Drops what was told to those who have left: nobody can say whether they still may have it. */
  forgetUnless(isConnected: (id: string) => boolean): void {
    for (const owners of [this.#store.owners(), this.#owned.owners()]) {
      for (const owner of owners) if (!isConnected(owner)) this.forget(owner)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#store.clear()
    for (const { flight } of this.#calls.values()) flight.release()
    this.#calls.clear()
    this.#owned.clear()
  }

  /** Fetches a newer answer on nobody's account; gives up when the old one cannot be used any more. */
  #refresh(key: string, request: WsRequest<U>, next: Next<U>, usableMs: number): void {
    this.#staleHits += 1
    if (this.#calls.has(key)) return
    let isOver = false
    const flight = this.#open(key, request, () => {
      isOver = true
      cancel(timer)
    })
    const timer = schedule(usableMs, () => flight.release())
    flight.hold(request, next)
    if (isOver) cancel(timer)
  }

  #open(key: string, request: WsRequest<U>, onClosed?: () => void): Flight<U> {
    const flight = new Flight<U>(
      {
        landed: (reply: RecordedReply): void => {
          if (!call.isForgotten) this.#keep(key, { ...reply, owner: call.owner }, this.#ttlOf(request))
        },
        closed: (): void => {
          this.#leave(key, call)
          onClosed?.()
        },
      },
      this.#maxEntryBytes,
    )
    const call: Call<U> = { flight, owner: this.#scope.ownerOf(request.connection), isForgotten: false }
    this.#calls.set(key, call)
    this.#owned.add(call.owner, key)
    return flight
  }

  #leave(key: string, call: Call<U>): void {
    if (this.#calls.get(key) !== call) return
    this.#calls.delete(key)
    this.#owned.delete(call.owner, key)
  }

  #keep(key: string, reply: Omit<StoredReply, 'freshUntil' | 'staleUntil'>, ttlMs: number): void {
    if (this.#isClosed || !(ttlMs > 0)) return
    const freshUntil = performance.now() + ttlMs
    this.#store.set(key, { ...reply, freshUntil, staleUntil: freshUntil + this.#staleMs })
  }
}

function replay({ extras, value, items }: RecordedReply, request: WsRequest): Reply {
  for (const extra of extras) request.reply(extra.value, extra.options)
  return items === undefined ? value : listed(items)
}

async function* listed(items: readonly unknown[]): AsyncGenerator {
  yield* items
}
