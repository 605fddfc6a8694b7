// SPDX-License-Identifier: Apache-2.0
import type { CloseHint } from './close-code.ts'
import type { Connection } from './connection.ts'
import type { LiveConnection } from './live-connection.ts'

/** The connections of a gateway. */
export interface Registry extends Iterable<Connection> {
  readonly size: number
  get(id: string): Connection | undefined
  /** Connections of one principal, by its id. */
  byPrincipal(id: string): Iterable<Connection>
  byTag(tag: string): Iterable<Connection>
  /** Closes those that `where` picks and says how many. */
  close(where: (connection: Connection) => boolean, code: number, reason?: string | CloseHint): number
}

const nobody: readonly never[] = []

/** Finds connections by id, principal and tag. */
export class ConnectionRegistry implements Registry {
  readonly #byId = new Map<string, LiveConnection>()
  readonly #byPrincipal = new Map<string, Set<LiveConnection>>()
  readonly #byTag = new Map<string, Set<LiveConnection>>()

  get size(): number {
    return this.#byId.size
  }

  [Symbol.iterator](): IterableIterator<LiveConnection> {
    return this.#byId.values()
  }

  get(id: string): LiveConnection | undefined {
    return this.#byId.get(id)
  }

  byPrincipal(id: string): Iterable<LiveConnection> {
    return this.#byPrincipal.get(id) ?? nobody
  }

  /** Whether a principal has a connection to the channel at `path`. */
  hasPrincipal(id: string, path: string): boolean {
    for (const connection of this.byPrincipal(id)) if (connection.path === path) return true
    return false
  }

  byTag(tag: string): Iterable<LiveConnection> {
    return this.#byTag.get(tag) ?? nobody
  }

  close(where: (connection: Connection) => boolean, code: number, reason?: string | CloseHint): number {
    let closed = 0
    for (const connection of this.#byId.values()) {
      if (connection.state !== 'open' || !where(connection)) continue
      void connection.close(code, reason)
      closed += 1
    }
    return closed
  }

  add(connection: LiveConnection): void {
    this.#byId.set(connection.id, connection)
    this.addPrincipal(connection)
  }

  delete(connection: LiveConnection): void {
    this.#byId.delete(connection.id)
    this.deletePrincipal(connection)
    for (const tag of connection.tags) this.deleteTag(connection, tag)
  }

  addPrincipal(connection: LiveConnection): void {
    if (connection.principal !== undefined) put(this.#byPrincipal, connection.principal.id, connection)
  }

  deletePrincipal(connection: LiveConnection): void {
    if (connection.principal !== undefined) take(this.#byPrincipal, connection.principal.id, connection)
  }

  addTag(connection: LiveConnection, tag: string): void {
    put(this.#byTag, tag, connection)
  }

  deleteTag(connection: LiveConnection, tag: string): void {
    take(this.#byTag, tag, connection)
  }
}

function put<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const values = index.get(key)
  if (values === undefined) index.set(key, new Set([value]))
  else values.add(value)
}

function take<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const values = index.get(key)
  if (values === undefined) return
  values.delete(value)
  if (values.size === 0) index.delete(key)
}
