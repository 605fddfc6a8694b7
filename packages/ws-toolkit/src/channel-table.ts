// SPDX-License-Identifier: Apache-2.0
import { TrieRouter } from 'hono/router/trie-router'

/** A channel that was found, and what its path matched. */
export interface ChannelMatch<T> {
  readonly channel: T
  readonly params: Readonly<Record<string, string>>
}

/** Finds channels by path, with Hono's patterns: `/chat/:room`, `/files/*`, `/:id{[0-9]+}`. */
export class ChannelTable<T> {
  readonly #router = new TrieRouter<T>()
  readonly #paths = new Set<string>()
  readonly #shapes = new Map<string, string>()
  // What paths without a parameter have found: at most one for each channel.
  readonly #plain = new Map<string, ChannelMatch<T>>()

  /** Throws TypeError for a path that begins without `/` or is there already. */
  add(path: string, channel: T): void {
    if (typeof path !== 'string' || !path.startsWith('/')) {
      throw new TypeError(`channel: the path ${JSON.stringify(path)} does not begin with "/"`)
    }
    // However its parameters are called.
    const shape = path.replaceAll(/:\w+/g, ':')
    const known = this.#shapes.get(shape)
    if (known !== undefined) {
      const same = known === path ? '' : `, which is the same as ${JSON.stringify(path)}`
      throw new TypeError(`channel: there is one at ${JSON.stringify(known)} already${same}`)
    }
    this.#shapes.set(shape, path)
    this.#paths.add(path)
    this.#plain.clear()
    this.#router.add('GET', path, channel)
  }

  /** Finds the channel that was added first; `malformed` for a path that cannot be decoded. */
  find(path: string): ChannelMatch<T> | 'malformed' | undefined {
    const known = this.#plain.get(path)
    if (known !== undefined) return known
    const [found] = this.#router.match('GET', path)[0]
    if (found === undefined) return undefined
    const [channel, raw] = found
    const params: Record<string, string> = Object.create(null)
    for (const [name, value] of Object.entries(raw)) {
      // A stashed router gives indices; the one used here gives text.
      const decoded = decode(String(value))
      if (decoded === undefined) return 'malformed'
      params[name] = decoded
    }
    const match = { channel, params: Object.freeze(params) }
    if (this.#paths.has(path) && Object.keys(raw).length === 0) this.#plain.set(path, match)
    return match
  }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
