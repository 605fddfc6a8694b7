// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { eventually } from './web-socket-rig.ts'

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameShape {
  readonly opcode?: number
  /** Default true. */
  readonly isFinal?: boolean
  /** RSV1 to RSV3, as they stand in the first byte. */
  readonly reserved?: number
  /** Default true. */
  readonly isMasked?: boolean
  /** The length that is said, in eight bytes; default what there is. */
  readonly length?: bigint
}

/** A frame of RFC 6455, section 5.2, right or wrong. */
export function frame(payload: string | Uint8Array, shape: FrameShape = {}): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1')
  const { opcode = opcodes.binary, isFinal = true, reserved = 0, isMasked = true } = shape
  const first = (isFinal ? 0x80 : 0) | reserved | opcode
  const mask = isMasked ? randomBytes(4) : Buffer.alloc(0)
  const masked = isMasked ? bytes.map((byte, i) => byte ^ (mask[i & 3] ?? 0)) : bytes
  return Buffer.concat([Buffer.from([first]), lengthBytes(shape.length ?? bytes.length, isMasked), mask, masked])
}

function lengthBytes(length: number | bigint, isMasked: boolean): Buffer {
  const flag = isMasked ? 0x80 : 0
  if (typeof length === 'number' && length < 126) return Buffer.from([flag | length])
  if (typeof length === 'number' && length < 65_536) return Buffer.from([flag | 126, length >> 8, length & 255])
  const bytes = Buffer.alloc(9)
  bytes[0] = flag | 127
  bytes.writeBigUInt64BE(BigInt(length), 1)
  return bytes
}

/** A WebSocket whose frames are written and read by hand. */
export class RawFrames {
  readonly socket: Socket
  /** Payloads of data frames, one after the other. */
  received = ''
  /** What was in PONGs. */
  readonly answers: string[] = []
  closeCode = 0
  isClosed = false
  #unread: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined).on('close', () => (this.isClosed = true))
    onTestFinished(() => void socket.destroy())
  }

  /** Opens a WebSocket; `extensions` is what the client offers. */
  static async to(url: string, extensions = ''): Promise<RawFrames> {
    const { hostname, port, pathname } = new URL(url)
    const client = new RawFrames(connect({ host: hostname, port: Number(port), noDelay: true }))
    const offer = extensions === '' ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`
    client.socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${offer}\r\n`,
    )
    const answer = await client.#answer()
    if (!answer.startsWith('HTTP/1.1 101')) throw new Error(`no WebSocket: ${answer}`)
    client.socket.on('data', (chunk: Buffer) => client.#read(chunk))
    client.#read(Buffer.alloc(0))
    return client
  }

  /** The same without the PINGs of the server, which come when they like. */
  get said(): string {
    return this.received.replaceAll(/^PING\r\n/gm, '')
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  async until(text: string): Promise<void> {
    await eventually(() => this.received.includes(text) || this.isClosed)
    if (!this.received.includes(text)) throw new Error(`closed with ${this.closeCode} before ${text} came`)
  }

  async closed(): Promise<number> {
    await eventually(() => this.isClosed)
    return this.closeCode
  }

  async #answer(): Promise<string> {
    let bytes: Buffer = Buffer.alloc(0)
    while (!bytes.includes('\r\n\r\n')) {
      const [chunk] = (await once(this.socket, 'data')) as [Buffer]
      bytes = Buffer.concat([bytes, chunk])
    }
    const end = bytes.indexOf('\r\n\r\n') + 4
    this.#unread = bytes.subarray(end)
    return bytes.toString('latin1', 0, end)
  }

  // Frames of a server are not masked.
  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk])
    for (;;) {
      const [first = 0, second = 0] = this.#unread
      const size = second < 126 ? 0 : second === 126 ? 2 : 8
      if (this.#unread.length < 2 + size) return
      const length =
        size === 0 ? second : size === 2 ? this.#unread.readUInt16BE(2) : Number(this.#unread.readBigUInt64BE(2))
      const end = 2 + size + length
      if (this.#unread.length < end) return
      this.#take(first & 15, this.#unread.subarray(2 + size, end))
      this.#unread = this.#unread.subarray(end)
    }
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.pong) this.answers.push(payload.toString('latin1'))
    else if (opcode === opcodes.close) this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
    else this.received += payload.toString('latin1')
  }
}
