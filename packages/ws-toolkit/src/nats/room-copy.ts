// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import { HeaderWriter, type BusMessage, type HeaderBlock } from '@nats-edge/wire-parser'
import type { RoomMessage } from '../room-bus.ts'

/** The header by which a server knows its own messages when they come back. */
export const originHeader = 'Ws-Origin'

/** Writes what other servers need to know of a message; throws TypeError for what fits into no header. */
export function roomHeaders({ binary, except, key }: RoomMessage, origin: string): HeaderBlock {
  const writer = new HeaderWriter().add(originHeader, origin).add('Ws-Opcode', binary ? 'binary' : 'text')
  if (except !== undefined) writer.add('Ws-Except', except)
  if (key !== undefined) writer.add('Ws-Key', key)
  return writer.block()
}

/** Reads a message of a room; undefined for one that came as text and is none. What services send may have no headers. */
export function roomCopy({ headers, payload }: BusMessage): RoomMessage | undefined {
  const opcode = headers?.get('Ws-Opcode')
  const isText = opcode !== 'binary' && isUtf8(payload)
  if (opcode === 'text' && !isText) return undefined
  return {
    // Lent for the call; the room keeps it until the last member has it.
    payload: new Uint8Array(payload),
    binary: !isText,
    except: headers?.get('Ws-Except'),
    key: headers?.get('Ws-Key'),
  }
}
