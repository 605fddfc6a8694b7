// SPDX-License-Identifier: Apache-2.0

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
// The first byte, of which the five upper bits are the first letter.
const prefixes = { account: 0, user: 20 << 3 }
const keyLength = 32
// 35 bytes: prefix, key and checksum.
const textLength = 56

/** Reads the 32 bytes of a public nkey (`A…`, `U…`); undefined for what is none of this kind. */
export function decodePublicKey(kind: 'account' | 'user', text: string): Buffer | undefined {
  const bytes = typeof text === 'string' && text.length === textLength ? base32(text) : undefined
  if (bytes === undefined || bytes[0] !== prefixes[kind]) return undefined
  const end = keyLength + 1
  return bytes.readUInt16LE(end) === crc16(bytes.subarray(0, end)) ? bytes.subarray(1, end) : undefined
}

// RFC 4648, 6, where no bits are left over.
function base32(text: string): Buffer | undefined {
  const bytes: number[] = []
  let held = 0
  let bits = 0
  for (const letter of text) {
    const value = alphabet.indexOf(letter)
    if (value === -1) return undefined
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >> bits) & 0xff)
  }
  return Buffer.from(bytes)
}

// CRC-16/XMODEM, as nkeys ends in.
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff
  }
  return crc
}
