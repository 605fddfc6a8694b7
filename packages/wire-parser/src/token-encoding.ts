// SPDX-License-Identifier: Apache-2.0

const alphabets = {
  base32hex: '0123456789ABCDEFGHIJKLMNOPQRSTUV',
  base64url: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
} as const

/**
 * Any text as one token: its UTF-8 in RFC 4648 base32hex or base64url, without padding. Two texts never share a token (a
 * lone surrogate keeps three bytes of its own); the empty text gives the empty string, which no gate accepts.
 */
export function encodeToken(text: string, as: 'base32hex' | 'base64url'): string {
  const alphabet = alphabets[as]
  const width = as === 'base32hex' ? 5 : 6
  const mask = (1 << width) - 1
  let encoded = ''
  let bits = 0
  let held = 0
  for (const byte of utf8(text)) {
    // Bits already written run off the top; at most 13 are still needed.
    held = (held << 8) | byte
    bits += 8
    while (bits >= width) {
      bits -= width
      encoded += alphabet.charAt((held >> bits) & mask)
    }
  }
  return bits > 0 ? encoded + alphabet.charAt((held << (width - bits)) & mask) : encoded
}

function* utf8(text: string): Generator<number> {
  // Iteration joins surrogate pairs; a lone one arrives as itself and is written as any code point of its size.
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x80) {
      yield code
    } else if (code < 0x800) {
      yield 0xc0 | (code >> 6)
      yield 0x80 | (code & 0x3f)
    } else {
      if (code < 0x1_0000) {
        yield 0xe0 | (code >> 12)
      } else {
        yield 0xf0 | (code >> 18)
        yield 0x80 | ((code >> 12) & 0x3f)
      }
      yield 0x80 | ((code >> 6) & 0x3f)
      yield 0x80 | (code & 0x3f)
    }
  }
}
