// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module'
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core'
import { HeaderBlock } from '../headers.ts'
import { BusError } from '../bus-error.ts'

/** Turns a block into what the client's `publish()` takes as headers. */
export type HeaderCarrier = (block: HeaderBlock) => MsgHdrs

// The client copies names and values through a map of strings, which loses repeats' places and bytes that are not UTF-8.
// All it asks of headers on the way out is `encode()`, and what came in lies before the payload in one private field.

interface ClientModule {
  headers(): MsgHdrs
}

/** Parts of a client's message its interface does not show; each is looked for before it is used. */
interface MessageParts {
  readonly _msg?: { readonly hdr?: unknown; readonly subject?: unknown }
  readonly _rdata?: unknown
}

/** The header block as it came, undefined without one; encoded anew if the client does not let it be seen. */
export function incomingHeaders(message: Msg): Uint8Array | undefined {
  const { _msg: parts, _rdata: data } = message as MessageParts
  const size = parts?.hdr
  if (typeof size === 'number' && data instanceof Uint8Array) return size > 0 ? data.subarray(0, size) : undefined
  return message.headers === undefined ? undefined : encodedAnew(message.headers)
}

/** The subject's bytes as they came, else encoded anew. */
export function subjectBytes(message: Msg): Uint8Array {
  const { _msg: parts } = message as MessageParts
  const subject = parts?.subject
  return subject instanceof Uint8Array ? subject : Buffer.from(message.subject)
}

/** Bytes on the wire exactly those of the block where this client allows it, else its entries in the client's own form. */
export function headerCarrier(nats: NatsConnection): HeaderCarrier {
  return carriesBytes(nats) ? exactCarrier() : reencodingCarrier()
}

/** Whether headers leave byte by byte: whether the client writes what `encode()` returns and asks for nothing else. */
export function carriesBytes(nats: NatsConnection): boolean {
  const protocol = (nats as { readonly protocol?: { readonly publish?: unknown } }).protocol
  if (typeof protocol?.publish !== 'function') return false
  const block = HeaderBlock.fromBytes(Buffer.from('NATS/1.0\r\na:\xff\r\nA: 2\r\na: 3\r\n\r\n', 'latin1'))
  const written: unknown[] = []
  const recorder = { outBytes: 0, outMsgs: 0, sendCommand: (...parts: unknown[]) => written.push(...parts) }
  try {
    const options = { reply: 'r', headers: exactCarrier()(block) }
    Reflect.apply(protocol.publish, recorder, ['s', new Uint8Array(1), options])
  } catch {
    return false
  }
  return written[0] === `HPUB s r ${block.bytes.length} ${block.bytes.length + 1}\r\n` && written[1] === block.bytes
}

function exactCarrier(): HeaderCarrier {
  // One object for all messages: the client reads it before `publish()` returns.
  let bytes: Uint8Array = new Uint8Array(0)
  const headers = { encode: (): Uint8Array => bytes } as unknown as MsgHdrs
  return (block) => {
    bytes = block.bytes
    return headers
  }
}

/** The block's entries in the client's own headers: case kept, equal names moved together. */
export function reencodingCarrier(): HeaderCarrier {
  // Loaded only here: timers and helpers of this module must work where no client is installed.
  const { headers: clientHeaders } = createRequire(import.meta.url)('@nats-io/nats-core') as ClientModule
  return (block) => {
    const headers = clientHeaders()
    for (const [name, value] of block.entries()) {
      try {
        headers.append(name, value)
      } catch (cause) {
        throw new BusError('unsupported', `this NATS client cannot carry the header ${JSON.stringify(name)}`, { cause })
      }
    }
    return headers
  }
}

function encodedAnew(headers: MsgHdrs): Uint8Array {
  const status = headers.code > 0 ? ` ${headers.code} ${headers.description}`.trimEnd() : ''
  let text = `NATS/1.0${status}\r\n`
  for (const name of headers.keys()) {
    for (const value of headers.values(name)) text += `${name}: ${value}\r\n`
  }
  return Buffer.from(`${text}\r\n`)
}
