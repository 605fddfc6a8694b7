// SPDX-License-Identifier: Apache-2.0

type Slice = (this: Buffer, start: number, end: number) => string
type Write = (this: Buffer, text: string, at: number, length: number) => number

// Below this a loop is faster than a call out of JavaScript.
const shortLength = 48
const firstNonAscii = 0x80

// What Buffer's own methods call once they have looked at their arguments; not documented, so there is another way.
const slice = method<Slice>('utf8Slice', function toText(start, end) {
  return this.toString('utf8', start, end)
})
const write = method<Write>('utf8Write', function writeText(text, at, length) {
  return this.write(text, at, length, 'utf8')
})

/** Reads bytes as UTF-8. */
export function readUtf8(bytes: Buffer): string {
  return slice.call(bytes, 0, bytes.length)
}

/** Counts the bytes of a text; lone surrogates count as the three of U+FFFD. */
export function utf8Length(text: string): number {
  const { length } = text
  if (length > shortLength) return Buffer.byteLength(text)
  for (let index = 0; index < length; index += 1) {
    if (text.charCodeAt(index) >= firstNonAscii) return Buffer.byteLength(text)
  }
  return length
}

/** Writes a text of `length` bytes. */
export function writeUtf8(target: Buffer, at: number, text: string, length: number): void {
  // As many bytes as characters: nothing but ASCII.
  if (length === text.length && length <= shortLength) {
    for (let index = 0; index < length; index += 1) target[at + index] = text.charCodeAt(index)
  } else {
    write.call(target, text, at, length)
  }
}

function method<T>(name: string, fallback: T): T {
  const found: unknown = Reflect.get(Buffer.prototype, name)
  return typeof found === 'function' ? (found as T) : fallback
}
