// SPDX-License-Identifier: Apache-2.0

const blockBytes = 512

/** The content of the first regular file with this name, in whatever folder of an unpacked tar archive it is. */
export function tarEntry(archive: Uint8Array, fileName: string): Uint8Array | undefined {
  for (let offset = 0; offset + blockBytes <= archive.length;) {
    const header = archive.subarray(offset, offset + blockBytes)
    const name = field(header, 0, 100)
    const size = octal(field(header, 124, 12))
    // An empty name ends the archive. Sizes are octal; the binary form for files above 8 GiB is none of ours.
    if (name === '' || size === undefined) return undefined
    const start = offset + blockBytes
    const type = header[156]
    const isFile = type === 0 || type === 0x30
    if (isFile && name.split('/').at(-1) === fileName) {
      return start + size <= archive.length ? archive.subarray(start, start + size) : undefined
    }
    offset = start + Math.ceil(size / blockBytes) * blockBytes
  }
  return undefined
}

function field(header: Uint8Array, start: number, length: number): string {
  const text = Buffer.from(header.subarray(start, start + length)).toString('latin1')
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

function octal(text: string): number | undefined {
  const digits = text.trim()
  return /^[0-7]+$/.test(digits) ? Number(`0o${digits}`) : undefined
}
