// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer'
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { blockStatus, encodeHeaderLines, HeaderBlock, HeaderWriter } from './headers.ts'

const runs = { numRuns: inject('propertyRuns') }
const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const read = (text: string): HeaderBlock => HeaderBlock.fromBytes(latin1(text))
const written = (block: HeaderBlock): string => Buffer.from(block.bytes).toString('latin1')

describe('HeaderBlock.fromBytes', () => {
  it('keeps the very bytes', () => {
    const bytes = latin1('NATS/1.0\r\nA:  1\r\na: \xff\r\n\r\n')
    expect(HeaderBlock.fromBytes(bytes).bytes).toBe(bytes)
  })

  it('reads names by exact case, repeats in their order', () => {
    const block = read('NATS/1.0\r\nA: 1\r\na: 2\r\nA: 3\r\n\r\n')
    expect(block.get('A')).toBe('1')
    expect(block.get('a')).toBe('2')
    expect(block.getAll('A')).toEqual(['1', '3'])
    expect([...block.entries()]).toEqual([
      ['A', '1'],
      ['a', '2'],
      ['A', '3'],
    ])
    expect([block.has('A'), block.has('AA'), block.has(''), block.get('B'), block.getAll('B')]).toEqual([
      true,
      false,
      false,
      undefined,
      [],
    ])
  })

  it.each([
    ['no blank after the colon', 'NATS/1.0\r\nA:1\r\n\r\n', [['A', '1']]],
    ['several blanks and tabs', 'NATS/1.0\r\nA: \t 1\r\n\r\n', [['A', '1']]],
    ['blanks at the end', 'NATS/1.0\r\nA: 1 \r\n\r\n', [['A', '1 ']]],
    [
      'an empty value',
      'NATS/1.0\r\nA:\r\nB: \r\n\r\n',
      [
        ['A', ''],
        ['B', ''],
      ],
    ],
    ['colons in the value', 'NATS/1.0\r\nA: b:c\r\n\r\n', [['A', 'b:c']]],
    ['a line without a colon', 'NATS/1.0\r\njunk\r\nA: 1\r\n\r\n', [['A', '1']]],
    ['an empty name', 'NATS/1.0\r\n: 1\r\nA: 2\r\n\r\n', [['A', '2']]],
    ['lines behind the empty one', 'NATS/1.0\r\nA: 1\r\n\r\nB: 2\r\n', [['A', '1']]],
    ['a missing end', 'NATS/1.0\r\nA: 1', [['A', '1']]],
    ['a lone LF or CR, which stays in the value', 'NATS/1.0\r\nA: 1\nB: 2\r3\r\n\r\n', [['A', '1\nB: 2\r3']]],
    ['NUL', 'NATS/1.0\r\nA: \0\r\n\r\n', [['A', '\0']]],
    ['another first line', 'HTTP/1.1 200 OK\r\nA: 1\r\n\r\n', [['A', '1']]],
    ['UTF-8', 'NATS/1.0\r\nA: \xe2\x82\xac\r\n\r\n', [['A', '€']]],
    ['bytes that are not UTF-8, as latin1', 'NATS/1.0\r\nA: \xe9\xe2\x82\r\n\r\n', [['A', '\xe9\xe2\x82']]],
    ['a name that is not ASCII', 'NATS/1.0\r\n\xc3\xa9: 1\r\n\r\n', [['é', '1']]],
    ['nothing at all', '', []],
    ['only the version', 'NATS/1.0\r\n\r\n', []],
  ])('reads %s', (_name, text, entries) => {
    const block = read(text)
    expect([...block.entries()]).toEqual(entries)
    for (const [name, value] of entries) expect(block.getAll(name ?? '')).toContain(value)
  })

  it.each([
    ['NATS/1.0\r\n\r\n', undefined, ''],
    ['NATS/1.0 503\r\n\r\n', 503, ''],
    ['NATS/1.0 503\r\nNats-Subject: a.b\r\n\r\n', 503, ''],
    ['NATS/1.0 100 Idle Heartbeat\r\n\r\n', 100, 'Idle Heartbeat'],
    ['NATS/1.0 404  No Messages \r\n\r\n', 404, 'No Messages'],
    ['NATS/1.0 503', 503, ''],
    ['NATS/1.0 50\r\n\r\n', undefined, ''],
    ['NATS/1.0 5030\r\n\r\n', undefined, ''],
    ['NATS/1.0 abc\r\n\r\n', undefined, ''],
    ['NATS/1.1 503\r\n\r\n', undefined, ''],
    ['NATS/1.0503\r\n\r\n', undefined, ''],
    ['', undefined, ''],
  ])('reads the status of %j as %s', (text, status, description) => {
    expect([read(text).status, read(text).description]).toEqual([status, description])
    expect(blockStatus(latin1(text))).toBe(status)
  })

  it('never throws on reading, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.string(), (noise, name) => {
        const block = HeaderBlock.fromBytes(new Uint8Array([...latin1('NATS/1.0\r\n'), ...noise]))
        const entries = [...block.entries()]
        for (const [known, value] of entries) expect(block.getAll(known)).toContain(value)
        expect(block.has(name)).toBe(entries.some(([known]) => known === name))
        return [block.status, block.description].length === 2
      }),
      runs,
    )
  })

  it('reads text exactly as the platform does where the bytes are UTF-8, else as latin1', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 6 }).map((text) => new Uint8Array(Buffer.from(text))),
    )
    fc.assert(
      fc.property(bytes, (value) => {
        const text = Buffer.from(value).toString(isUtf8(value) ? 'utf8' : 'latin1')
        fc.pre(!value.includes(13) && value[0] !== 32 && value[0] !== 9)
        const block = HeaderBlock.fromBytes(new Uint8Array([...latin1('NATS/1.0\r\nA: '), ...value, 13, 10, 13, 10]))
        expect(block.get('A')).toBe(text)
      }),
      runs,
    )
  })
})

describe('HeaderBlock.from', () => {
  it('writes names and values as given, in order', () => {
    const block = HeaderBlock.from([
      ['b', '1'],
      ['B', ''],
      ['b', '€ é 😀'],
    ])
    expect(written(block)).toBe(latin1Of('NATS/1.0\r\nb: 1\r\nB: \r\nb: € é 😀\r\n\r\n'))
  })

  it('writes no more than the version without entries', () => {
    expect(written(HeaderBlock.from([]))).toBe('NATS/1.0\r\n\r\n')
  })

  it('reads back whatever it wrote', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .filter((text) => !/[\p{C}\p{Z}:]/u.test(text))
    const value = fc
      .string({ unit: 'binary', maxLength: 300 })
      .filter((text) => !/[\r\n\0]/.test(text) && !/^[ \t]/.test(text))
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (entries) => {
        const block = HeaderBlock.from(entries)
        expect([...block.entries()]).toEqual(entries)
        expect(written(block)).toBe(
          latin1Of(`NATS/1.0\r\n${entries.map(([key, text]) => `${key}: ${text}\r\n`).join('')}\r\n`),
        )
      }),
      runs,
    )
  })

  it('writes a lone surrogate as U+FFFD', () => {
    expect(HeaderBlock.from([['A', 'x\ud800y\udc00']]).get('A')).toBe('x\ufffdy\ufffd')
  })

  it.each(['', 'a:b', ' a', 'a b', 'a\t', 'a\r', 'a\nb', 'a\0', 'a\x7f', 'a\x85', 'a\xa0'])(
    'refuses the name %j',
    (name) => {
      expect(() => HeaderBlock.from([[name, 'x']])).toThrow(TypeError)
    },
  )

  it.each(['a\r\nb', 'a\r', '\n', '\0'])('refuses the value %j and says where', (value) => {
    expect(() => HeaderBlock.from([['A', value]])).toThrow(/header "A": character \d of the value is CR, LF or NUL/)
  })
})

describe('HeaderWriter', () => {
  it('starts anew after block() and leaves earlier blocks alone', () => {
    const writer = new HeaderWriter()
    const first = writer.add('A', '1').block()
    const second = writer.add('B', '2'.repeat(1000)).block()
    expect(written(first)).toBe('NATS/1.0\r\nA: 1\r\n\r\n')
    expect(written(second)).toBe(`NATS/1.0\r\nB: ${'2'.repeat(1000)}\r\n\r\n`)
    expect(written(writer.block())).toBe('NATS/1.0\r\n\r\n')
  })

  it('holds nothing of a line it refused', () => {
    const writer = new HeaderWriter()
    expect(() => writer.add('A', 'x\n')).toThrow(TypeError)
    expect(() => writer.addLatin1('A', 'x\0')).toThrow(TypeError)
    expect(() => writer.addLatin1('A:', 'x')).toThrow(TypeError)
    expect(written(writer.add('B', '1').block())).toBe('NATS/1.0\r\nB: 1\r\n\r\n')
  })

  it.each([
    ['ASCII', 'plain', 'plain'],
    ['latin1 text, turned into UTF-8', 'caf\xe9', 'caf\xc3\xa9'],
    ['UTF-8 bytes, kept', 'caf\xc3\xa9 \xe2\x82\xac', 'caf\xc3\xa9 \xe2\x82\xac'],
    ['text beyond latin1', 'Ł€', '\xc5\x81\xe2\x82\xac'],
  ])('writes one character per byte: %s', (_name, value, bytes) => {
    expect(written(new HeaderWriter().addLatin1('A', value).block())).toBe(`NATS/1.0\r\nA: ${bytes}\r\n\r\n`)
  })

  it('always writes UTF-8 for one character per byte', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const value = fc.uint8Array({ maxLength: 40 }).map((bytes) =>
      Buffer.from(bytes)
        .toString('latin1')
        .replace(/[\r\n\0]/g, ''),
    )
    fc.assert(
      fc.property(value, (text) => {
        const block = new HeaderWriter().addLatin1('A', `x${text}`).block()
        expect(decoder.decode(block.bytes)).toBe(`NATS/1.0\r\nA: ${block.get('A')}\r\n\r\n`)
      }),
      runs,
    )
  })

  it('adds lines encoded once', () => {
    const lines = encodeHeaderLines([
      ['X', '1'],
      ['Y', 'é'],
    ])
    expect(Buffer.from(lines).toString()).toBe('X: 1\r\nY: é\r\n')
    const block = new HeaderWriter().addEncoded(lines).add('Z', '2').addEncoded(lines).block()
    expect([...block.entries()].map(([name]) => name)).toEqual(['X', 'Y', 'Z', 'X', 'Y'])
  })

  it('encodes no lines as no bytes', () => {
    expect(encodeHeaderLines([])).toHaveLength(0)
  })
})

function latin1Of(text: string): string {
  return Buffer.from(text).toString('latin1')
}
