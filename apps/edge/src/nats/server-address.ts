// SPDX-License-Identifier: Apache-2.0

/** The server the edge uses, as far as it is known: that of an embedded broker only once it runs. */
export class ServerAddress {
  readonly #listeners: ((url: string) => void)[] = []
  #url: string | undefined

  constructor(url: string | undefined) {
    this.#url = url
  }

  get url(): string | undefined {
    return this.#url
  }

  /** Another server is used from now on. */
  move(url: string): void {
    if (url === this.#url) return
    this.#url = url
    for (const listener of this.#listeners) listener(url)
  }

  onMove(listener: (url: string) => void): void {
    this.#listeners.push(listener)
  }
}
