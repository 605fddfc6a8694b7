// SPDX-License-Identifier: Apache-2.0

/** A message framed once, for any number of connections. */
export interface SharedFrame {
  /** Only `sharedFrame()` makes one. */
  readonly isFrame: true
  readonly binary: boolean
  /** Bytes on the wire, header included. */
  readonly size: number
  /** The message; must not be written to. */
  readonly payload: Uint8Array
}

/** What can be sent: text, bytes (which belong to the connection from then on), or a frame made for many. */
export type Outgoing = string | Uint8Array | SharedFrame

// Larger payloads are written beside their header instead of being copied behind it.
const copyBelowBytes = 16_384
const fin = 0x80

/** One frame as it waits in an outbox: bytes, and what may become of it when there is no room. */
export class Frame implements SharedFrame {
  readonly isFrame = true as const
  /** Header and payload; the header alone where there is a body. */
  readonly bytes: Buffer
  /** A payload too large to be copied. */
  readonly body: Uint8Array | undefined
  readonly headBytes: number
  readonly binary: boolean
  readonly size: number
  /** Equal keys may replace each other under the policy `coalesce`. */
  readonly key: string | undefined
  /** Replies are never dropped. */
  readonly isReply: boolean
  /** Undefined: as the channel does. */
  readonly compress: boolean | undefined
  /** Told when the kernel has taken the frame, or that it never will. */
  readonly settle: ((error?: Error | null) => void) | undefined

  constructor(wire: FrameBytes, traits: FrameTraits = noTraits) {
    this.bytes = wire.bytes
    this.body = wire.body
    this.headBytes = wire.headBytes
    this.binary = wire.binary
    this.size = wire.body === undefined ? wire.bytes.length : wire.bytes.length + wire.body.length
    this.key = traits.key
    this.isReply = traits.isReply ?? false
    this.compress = traits.compress
    this.settle = traits.settle
  }

  /** The message without its header; bytes of it are not copied. */
  get payload(): Uint8Array {
    return this.body ?? this.bytes.subarray(this.headBytes)
  }
}

export interface FrameBytes {
  readonly bytes: Buffer
  readonly body: Uint8Array | undefined
  readonly headBytes: number
  readonly binary: boolean
}

export interface FrameTraits {
  readonly key?: string | undefined
  readonly isReply?: boolean
  readonly compress?: boolean | undefined
  readonly settle?: ((error?: Error | null) => void) | undefined
}

const noTraits: FrameTraits = {}
const replyTraits: FrameTraits = { isReply: true }

/** Frames a message once, so that many connections can send the same bytes; strings leave as text, bytes as binary. */
export function sharedFrame(message: string | Uint8Array, options: { readonly binary?: boolean } = {}): SharedFrame {
  return frameOf(message, options.binary)
}

/** Whether a value can be sent as it is. */
export function isOutgoing(value: unknown): value is Outgoing {
  return typeof value === 'string' || value instanceof Uint8Array || value instanceof Frame
}

/** Frames a message for one connection; a shared frame gives its bytes. */
export function frameOf(message: Outgoing, binary?: boolean, traits?: FrameTraits): Frame {
  if (message instanceof Frame) return traits === undefined ? message : new Frame(message, traits)
  if (typeof message === 'string') return new Frame(encodeText(message, binary ?? false), traits)
  if (!(message instanceof Uint8Array)) throw new TypeError('a message is a string, a Uint8Array or a shared frame')
  return new Frame(encodeBytes(message, binary ?? true), traits)
}

/** Frames a reply, which no policy drops. */
export function replyFrame(message: Outgoing, binary?: boolean): Frame {
  return frameOf(message, binary, replyTraits)
}

function encodeText(text: string, binary: boolean): FrameBytes {
  const length = Buffer.byteLength(text)
  if (length >= copyBelowBytes) return encodeBytes(Buffer.from(text), binary)
  const headBytes = headLength(length)
  const bytes = Buffer.allocUnsafe(headBytes + length)
  writeHead(bytes, length, binary)
  bytes.write(text, headBytes)
  return { bytes, body: undefined, headBytes, binary }
}

function encodeBytes(payload: Uint8Array, binary: boolean): FrameBytes {
  const { length } = payload
  const headBytes = headLength(length)
  const whole = length < copyBelowBytes
  const bytes = Buffer.allocUnsafe(whole ? headBytes + length : headBytes)
  writeHead(bytes, length, binary)
  if (whole) bytes.set(payload, headBytes)
  return { bytes, body: whole ? undefined : payload, headBytes, binary }
}

function headLength(length: number): number {
  if (length < 126) return 2
  return length < 65_536 ? 4 : 10
}

// RFC 6455, 5.2: what a server sends is never masked.
function writeHead(bytes: Buffer, length: number, binary: boolean): void {
  bytes[0] = fin | (binary ? 2 : 1)
  if (length < 126) {
    bytes[1] = length
  } else if (length < 65_536) {
    bytes[1] = 126
    bytes[2] = length >>> 8
    bytes[3] = length & 0xff
  } else {
    bytes[1] = 127
    bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    bytes.writeUInt32BE(length >>> 0, 6)
  }
}
