// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import type { Connection } from '../connection.ts'
import type { WsRequest } from '../request.ts'

interface Scope {
  readonly principal: Principal | undefined
  readonly text: string
}

/** Writes what an answer depends on whatever the application says: where it was asked, and by whom. */
export class CacheScope {
  readonly #isShared: boolean
  readonly #scopes = new WeakMap<Connection, Scope>()

  constructor(isShared: boolean) {
    this.#isShared = isShared
  }

  /** The id of the principal that an answer is for; undefined: anybody's. */
  ownerOf({ principal }: Connection): string | undefined {
    return this.#isShared ? undefined : principal?.id
  }

  /** The key of a request. Lengths keep one value from reaching into the next, and one principal out of another's keys. */
  keyOf({ connection, route, key }: WsRequest, asked: string): string {
    return `${this.#textOf(connection)}${route.length}:${route}${key.length}:${key}${asked}`
  }

  #textOf(connection: Connection): string {
    const { principal } = connection
    const known = this.#scopes.get(connection)
    if (known !== undefined && known.principal === principal) return known.text
    const { path, params } = connection
    const text = JSON.stringify([path, Object.entries(params), this.ownerOf(connection) ?? null])
    this.#scopes.set(connection, { principal, text })
    return text
  }
}
