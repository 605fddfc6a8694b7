// SPDX-License-Identifier: Apache-2.0
import { constants, deflateRawSync } from 'node:zlib'
import { utf8Length, writeUtf8 } from './utf8.ts'

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

/** What may become of a frame that waits. */
export interface FrameTraits {
  readonly key?: string | undefined
  readonly isReply?: boolean
  readonly compress?: boolean | undefined
  readonly settle?: ((error?: Error | null) => void) | undefined
}

// Larger payloads are written beside their header instead of being copied behind it.
const copyBelowBytes = 16_384
const fin = 0x80
const rsv1 = 0x40

const noTraits: FrameTraits = {}
const replyTraits: FrameTraits = { isReply: true }

/** Made once, however many connections write it, and however large it is. */
interface SharedBytes {
  readonly encoded: Buffer
  deflated: Buffer | undefined
}

/** One message as it waits in an outbox; encoded only when it is written, into the buffer that is written. */
export class Frame implements SharedFrame {
  readonly isFrame = true as const
  readonly binary: boolean
  /** Bytes of the message. */
  readonly length: number
  /** Equal keys may replace each other under the policy `coalesce`. */
  readonly key: string | undefined
  /** Replies are never dropped. */
  readonly isReply: boolean
  /** Undefined: as the channel does. */
  readonly compress: boolean | undefined
  /** Told when the kernel has taken the frame, or that it never will. */
  readonly settle: ((error?: Error | null) => void) | undefined
  #message: string | Uint8Array
  /** What many will write. */
  #shared: SharedBytes | undefined

  constructor(message: string | Uint8Array, binary: boolean, traits: FrameTraits) {
    this.#message = message
    this.binary = binary
    this.length = typeof message === 'string' ? utf8Length(message) : message.length
    this.key = traits.key
    this.isReply = traits.isReply ?? false
    this.compress = traits.compress
    this.settle = traits.settle
  }

  get size(): number {
    return headLength(this.length) + this.length
  }

  /** A message too large to be copied for one connection: it is written beside its header. */
  get isLarge(): boolean {
    return this.length >= copyBelowBytes && this.#shared === undefined
  }

  /** The message without its header; bytes are not copied. */
  get payload(): Uint8Array {
    if (this.#shared !== undefined) return this.#shared.encoded.subarray(headLength(this.length))
    return typeof this.#message === 'string' ? Buffer.from(this.#message) : this.#message
  }

  /** The header alone. */
  get head(): Buffer {
    const head = Buffer.allocUnsafe(headLength(this.length))
    writeHead(head, 0, this)
    return head
  }

  /** The same message with other traits. */
  with(traits: FrameTraits): Frame {
    const frame = new Frame(this.#message, this.binary, traits)
    frame.#shared = this.#shared
    return frame
  }

  /** Lets go of what its message is only a small part of, such as all that was read with it: it is about to wait. */
  detach(): void {
    const message = this.#message
    if (typeof message === 'string' || this.#shared !== undefined) return
    if (message.byteLength * 2 < message.buffer.byteLength) this.#message = new Uint8Array(message)
  }

  /** Keeps the bytes from now on. */
  share(): this {
    this.#shared ??= { encoded: this.encode(), deflated: undefined }
    return this
  }

  /** Whether both are the same shared bytes. */
  isSameAs(other: Frame): boolean {
    return this === other || (this.#shared !== undefined && this.#shared === other.#shared)
  }

  /** Whether many will write the same bytes. */
  get isShared(): boolean {
    return this.#shared !== undefined
  }

  /** The whole frame, compressed on its own: for sockets that agreed to keep no context. A shared frame does it once. */
  deflate(level: number): Buffer {
    const shared = this.#shared
    if (shared?.deflated !== undefined) return shared.deflated
    const deflated = deflateRawSync(this.payload, { level, finishFlush: constants.Z_SYNC_FLUSH })
    // RFC 7692, 7.2.1: the empty block at the end is not sent.
    const body = deflated.subarray(0, -4)
    const frame = Buffer.allocUnsafe(headLength(body.length) + body.length)
    body.copy(frame, writeHead(frame, 0, { length: body.length, binary: this.binary }))
    frame[0] = (frame[0] ?? 0) | rsv1
    if (shared !== undefined) shared.deflated = frame
    return frame
  }

  /** Header and payload in one buffer. */
  encode(): Buffer {
    if (this.#shared !== undefined) return this.#shared.encoded
    const bytes = Buffer.allocUnsafe(this.size)
    this.encodeInto(bytes, 0)
    return bytes
  }

  /** Writes header and payload and gives the index behind them. */
  encodeInto(target: Buffer, at: number): number {
    const encoded = this.#shared?.encoded
    if (encoded !== undefined) {
      target.set(encoded, at)
      return at + encoded.length
    }
    const start = writeHead(target, at, this)
    if (typeof this.#message === 'string') writeUtf8(target, start, this.#message, this.length)
    else target.set(this.#message, start)
    return start + this.length
  }
}

/** Frames a message once, so that many connections can send the same bytes; strings leave as text, bytes as binary. */
export function sharedFrame(message: string | Uint8Array, options: { readonly binary?: boolean } = {}): SharedFrame {
  return frameOf(message, options.binary).share()
}

/** Whether a value can be sent as it is. */
export function isOutgoing(value: unknown): value is Outgoing {
  return typeof value === 'string' || value instanceof Uint8Array || value instanceof Frame
}

/** Frames a message for one connection; a shared frame gives its bytes. */
export function frameOf(message: Outgoing, binary?: boolean, traits?: FrameTraits): Frame {
  if (typeof message === 'string') return new Frame(message, binary ?? false, traits ?? noTraits)
  if (message instanceof Uint8Array) return new Frame(message, binary ?? true, traits ?? noTraits)
  if (message instanceof Frame) return traits === undefined ? message : message.with(traits)
  throw new TypeError('a message is a string, a Uint8Array or a shared frame')
}

/** Frames a reply, which no policy drops. */
export function replyFrame(message: Outgoing, binary?: boolean): Frame {
  return frameOf(message, binary, replyTraits)
}

function headLength(length: number): number {
  if (length < 126) return 2
  return length < 65_536 ? 4 : 10
}

// RFC 6455, 5.2: what a server sends is never masked.
function writeHead(bytes: Buffer, at: number, { length, binary }: Pick<Frame, 'length' | 'binary'>): number {
  bytes[at] = fin | (binary ? 2 : 1)
  if (length < 126) {
    bytes[at + 1] = length
    return at + 2
  }
  if (length < 65_536) {
    bytes[at + 1] = 126
    bytes[at + 2] = length >>> 8
    bytes[at + 3] = length & 0xff
    return at + 4
  }
  bytes[at + 1] = 127
  bytes.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2)
  bytes.writeUInt32BE(length >>> 0, at + 6)
  return at + 10
}
