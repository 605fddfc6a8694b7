// SPDX-License-Identifier: Apache-2.0

const none: readonly never[] = []

/** Which keys belong to whom; those of nobody are not listed. */
export class OwnedKeys {
  readonly #keys = new Map<string, Set<string>>()

  add(owner: string | undefined, key: string): void {
    if (owner === undefined) return
    const keys = this.#keys.get(owner)
    if (keys === undefined) this.#keys.set(owner, new Set([key]))
    else keys.add(key)
  }

  delete(owner: string | undefined, key: string): void {
    if (owner === undefined) return
    const keys = this.#keys.get(owner)
    if (keys?.delete(key) === true && keys.size === 0) this.#keys.delete(owner)
  }

  /** Gives the keys of one owner, which may be deleted meanwhile. */
  of(owner: string): Iterable<string> {
    return this.#keys.get(owner) ?? none
  }

  owners(): Iterable<string> {
    return this.#keys.keys()
  }

  clear(): void {
    this.#keys.clear()
  }
}
