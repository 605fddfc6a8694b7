// SPDX-License-Identifier: Apache-2.0
import { ChannelConnection } from './channel-connection.ts'
import type { Codec } from './codec/codec.ts'
import type { Connection } from './connection.ts'

/** The words of the channel a connection belongs to; undefined where a dispatcher has its own. */
export function codecOf(connection: Connection): Codec | undefined {
  return connection instanceof ChannelConnection ? connection.runtime.codec : undefined
}

/** Whether answers are JSON, into which JSON text can be put as it is. */
export function carriesJson(connection: Connection): boolean {
  const name = codecOf(connection)?.name
  return name === 'json' || name === 'json-rpc'
}
