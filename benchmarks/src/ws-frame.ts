// SPDX-License-Identifier: Apache-2.0

const fin = 0x80
const masked = 0x80
const maskBytes = 4

/** What a frame is for, as RFC 6455, 5.2 numbers it. */
export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Frames a message as a client must, with a mask of zeros: it changes nothing, and costs neither side anything to apply. */
export function encodeClientFrame(payload: Uint8Array, opcode: number = opcodes.text): Buffer {
  const { length } = payload
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const frame = Buffer.alloc(2 + lengthBytes + maskBytes + length)
  frame[0] = fin | opcode
  frame[1] = masked | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2)
  if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.set(payload, 2 + lengthBytes + maskBytes)
  return frame
}
