// SPDX-License-Identifier: Apache-2.0

/** The server the edge uses, as far as it is known: that of an embedded broker only once it runs. */
export class ServerAddress {
  /** The connection is the program's own, and the server behind it unknown. */
  readonly isForeign: boolean
  readonly #servers: readonly string[]
  readonly #onMove: ((url: string) => void)[] = []
  readonly #onOpen: (() => void)[] = []
  #url: string | undefined

  /** `servers`: those of the configuration, empty where there is an embedded one to come. */
  constructor(servers: readonly string[], isForeign: boolean) {
    this.#servers = servers
    this.#url = servers[0]
    this.isForeign = isForeign
  }

  get url(): string | undefined {
    return this.#url
  }

  /** Calls back whenever another server is used. */
  onMove(listener: (url: string) => void): void {
    this.#onMove.push(listener)
  }

  /** Calls back whenever a server turns out to let everybody in without a login. */
  onOpen(listener: () => void): void {
    this.#onOpen.push(listener)
  }

  /** The embedded broker runs. */
  started(url: string): void {
    this.#move(url)
  }

  /** The edge is connected to a server, which may be another one than before. */
  connected(hostAndPort: string, asksForLogin: boolean): void {
    // Others of a cluster may have addresses, and names in certificates, that are for the cluster only.
    const current = hostAndPort.replaceAll(/[[\]]/g, '').toLowerCase()
    const configured = this.#servers.find((server) => hostAndPortOf(server) === current)
    if (configured !== undefined) this.#move(configured)
    if (!asksForLogin) for (const listener of this.#onOpen) listener()
  }

  #move(url: string): void {
    if (url === this.#url) return
    this.#url = url
    for (const listener of this.#onMove) listener(url)
  }
}

function hostAndPortOf(server: string): string | undefined {
  const text = /^[a-z]+:\/\//i.test(server) ? server : `nats://${server}`
  if (!URL.canParse(text)) return undefined
  const { hostname, port } = new URL(text)
  return `${hostname.replaceAll(/[[\]]/g, '').toLowerCase()}:${port === '' ? 4222 : port}`
}
