// SPDX-License-Identifier: Apache-2.0
import type { CloseFunction, Connection, SendFunction } from './connection.ts'

/** Gives a connection with another `send` or `close`; everything else is that of the one below. */
export function wrapConnection<U>(
  connection: Connection<U>,
  over: { readonly send?: SendFunction; readonly close?: CloseFunction },
): Connection<U> {
  const { send, close } = over
  return new Proxy(connection, {
    get(target, key): unknown {
      if (key === 'send' && send !== undefined) return send
      if (key === 'close' && close !== undefined) return close
      if (key === 'wrap') return (again: typeof over) => wrapConnection(target, { ...over, ...again })
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  })
}
