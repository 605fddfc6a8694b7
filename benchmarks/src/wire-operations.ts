// SPDX-License-Identifier: Apache-2.0

/** What every wire row publishes to. */
export const wireSubject = 'bench.wire'
/** Where the answers of request rows go: a connection of its own, so one subject will do. */
export const replySubject = '_INBOX.bench'

/** How operations go out over a WebSocket: one in each frame, or as many as fit 64 KiB. */
export type Framing = 'one' | 'many'

/** Bytes to be written at once, ready for the socket. */
export interface Batch {
  readonly bytes: Buffer
  readonly operations: number
}

const writeBytes = 65_536
// Any but zero, which some servers need not take off.
const mask = Buffer.of(0x37, 0xfa, 0x21, 0x3d)

export function publishOperation(subject: string, size: number, replyTo?: string): Buffer {
  const reply = replyTo === undefined ? '' : `${replyTo} `
  return Buffer.from(`PUB ${subject} ${reply}${size}\r\n${'x'.repeat(size)}\r\n`)
}

/** How long a delivery of such a publish to the subscription with the sid 1 is. */
export function deliveryBytes(subject: string, size: number, replyTo?: string): number {
  const reply = replyTo === undefined ? '' : `${replyTo} `
  return `MSG ${subject} 1 ${reply}${size}\r\n`.length + size + 2
}

/** The same operation as often as 64 KiB hold it, at least once; `framing` is undefined for a connection without frames. */
export function repeated(operation: Buffer, framing: Framing | undefined): Batch {
  const operations = Math.max(1, Math.floor(writeBytes / operation.length))
  const copies = (piece: Buffer): Buffer => Buffer.concat(Array.from({ length: operations }, () => piece))
  if (framing === undefined) return { bytes: copies(operation), operations }
  const bytes = framing === 'one' ? copies(clientFrame(operation)) : clientFrame(copies(operation))
  return { bytes, operations }
}

/** A binary message of one frame as a client sends it. */
export function clientFrame(payload: Buffer): Buffer {
  const { length } = payload
  const masked = payload.map((byte, at) => byte ^ (mask[at & 3] as number))
  if (length < 126) return Buffer.concat([Buffer.of(0x82, 0x80 | length), mask, masked])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = 0x82
  head[1] = 0x80 | (length < 65_536 ? 126 : 127)
  if (length < 65_536) head.writeUInt16BE(length, 2)
  else head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, mask, masked])
}
