// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, cut } from './conformance/recording.test-support.ts'
import { type OperationView, Verb, type VerbCode, verbName } from './operation.ts'
import { Parser } from './parser.ts'
import { parseOperations } from './parse-operations.ts'
import type { Side } from './verb-table.ts'

/** What `use` makes of each operation, read from one chunk and from two. */
function viewed<T>(side: Side, wire: string, use: (view: OperationView) => T): T[] {
  const bytes = bytesOf(wire)
  const results = [[bytes], cut(bytes, [Math.floor(bytes.length / 2)])].map((chunks) => {
    const seen: T[] = []
    const parser = new Parser(
      { side },
      { operation: (view) => void seen.push(use(view)), error: (error) => expect.fail(error.message) },
    )
    for (const chunk of chunks) parser.push(chunk)
    return seen
  })
  expect(results[1]).toEqual(results[0])
  return results[0] ?? []
}

const strings = ({ subject, replyTo, queue, sid, text }: OperationView): unknown => [subject, replyTo, queue, sid, text]

const sizes = (view: OperationView): number[] => [
  view.headerBytes,
  view.totalBytes,
  view.headers.length,
  view.payload.length,
]

const texts = (view: OperationView): unknown => [view.isUtf8, view.subject, view.replyTo, view.queue, view.sid]

describe('a view', () => {
  it('makes strings of the parts an operation has', () => {
    expect(
      viewed('client', 'PUB a.b r 2\r\nhi\r\nSUB c q 9\r\nPUB d 0\r\n\r\nUNSUB 7\r\nPING\r\nSUB e 8\r\n', strings),
    ).toEqual([
      ['a.b', 'r', undefined, '', ''],
      ['c', undefined, 'q', '9', ''],
      ['d', undefined, undefined, '', ''],
      ['', undefined, undefined, '7', ''],
      ['', undefined, undefined, '', ''],
      ['e', undefined, undefined, '8', ''],
    ])
    expect(viewed('server', "MSG a 1 r 0\r\n\r\nMSG b 2 0\r\n\r\n-ERR 'x'\r\nINFO {}\r\n", strings)).toEqual([
      ['a', 'r', undefined, '1', ''],
      ['b', undefined, undefined, '2', ''],
      ['', undefined, undefined, '', 'x'],
      ['', undefined, undefined, '', '{}'],
    ])
  })

  it('says the sizes as the control line does', () => {
    expect(
      viewed('client', 'HPUB a 4 0006\r\n\r\n\r\nhi\r\nPUB a 02\r\nhi\r\nPING\r\nHPUB a 0 0\r\n\r\n', sizes),
    ).toEqual([
      [4, 6, 4, 2],
      [-1, 2, 0, 2],
      [-1, 0, 0, 0],
      [0, 0, 0, 0],
    ])
  })

  it('tells UTF-8 from other bytes, which become one character each', () => {
    expect(
      viewed(
        'client',
        'SUB \u00c3\u00a9 \u00c3\u00a9 1\r\nSUB \u00c3( 1\r\nSUB a \u00ff 1\r\nSUB a \u00fe\r\nPUB a \u00ff 0\r\n\r\n',
        texts,
      ),
    ).toEqual([
      [true, 'é', undefined, 'é', '1'],
      [false, '\u00c3(', undefined, undefined, '1'],
      [false, 'a', undefined, '\u00ff', '1'],
      [false, 'a', undefined, undefined, '\u00fe'],
      [false, 'a', '\u00ff', undefined, ''],
    ])
  })

  it('gives the same string for a short subject that comes again', () => {
    // 2,000 subjects are more than are remembered; each is read right whatever was read before it.
    const subjects = Array.from({ length: 2000 }, (_, at) => `s.${at}`)
    const wire = [...subjects, ...subjects].map((subject) => `PUB ${subject} 0\r\n\r\n`).join('')
    expect(viewed('client', wire, (view) => view.subject)).toEqual([...subjects, ...subjects])
    const long = 'x'.repeat(500)
    expect(viewed('client', `PUB ${long} 0\r\n\r\nPUB ${long}y 0\r\n\r\n`, (view) => view.subject)).toEqual([
      long,
      `${long}y`,
    ])
  })

  it('is one object that is used again', () => {
    const views = new Set<OperationView>()
    const parser = new Parser(
      { side: 'client' },
      { operation: (view) => void views.add(view), error: (error) => expect.fail(error.message) },
    )
    parser.push(bytesOf('PING\r\nPUB a 0\r\n\r\nSUB a 1\r\n'))
    expect(views.size).toBe(1)
  })
})

describe('a copy', () => {
  it('holds bytes of its own, also of a Buffer', () => {
    const chunk = Buffer.from('CONNECT {"a":1}\r\nHPUB a 4 6\r\n\r\n\r\nhi\r\n')
    const kept: unknown[] = []
    const parser = new Parser(
      { side: 'client' },
      { operation: (view) => void kept.push(view.copy()), error: (error) => expect.fail(error.message) },
    )
    parser.push(chunk)
    chunk.fill(0)
    expect(kept).toEqual([
      { verb: 'CONNECT', json: bytesOf('{"a":1}') },
      { verb: 'HPUB', subject: 'a', headers: bytesOf('\r\n\r\n'), payload: bytesOf('hi') },
    ])
  })

  it('of every verb is an operation', () => {
    const client = parseOperations(
      bytesOf('SUB a 1\r\nUNSUB 1\r\nUNSUB 1 2\r\nPING\r\nPONG\r\n+OK\r\nINFO {}\r\n'),
      'client',
    )
    expect(client).toEqual([
      { verb: 'SUB', subject: 'a', sid: '1' },
      { verb: 'UNSUB', sid: '1' },
      { verb: 'UNSUB', sid: '1', max: 2 },
      { verb: 'PING' },
      { verb: 'PONG' },
      { verb: '+OK' },
      { verb: 'INFO', json: bytesOf('{}') },
    ])
    const server = parseOperations(bytesOf("MSG a 1 r 0\r\n\r\nHMSG a 1 0 0\r\n\r\n-ERR 'x'\r\n"), 'server')
    expect(server).toEqual([
      { verb: 'MSG', subject: 'a', sid: '1', replyTo: 'r', payload: bytesOf('') },
      { verb: 'HMSG', subject: 'a', sid: '1', headers: bytesOf(''), payload: bytesOf('') },
      { verb: '-ERR', text: 'x' },
    ])
  })
})

describe('parseOperations', () => {
  it.each([
    ['X', 'unknown_operation'],
    ['SUB\r\n', 'unknown_operation'],
    ['SUB a\r\n', 'bad_arguments'],
    ['PING', 'bad_line_end'],
    ['PUB a 5\r\nhel', 'bad_line_end'],
  ])('throws for %j', (wire, code) => {
    expect(() => parseOperations(bytesOf(wire), 'client')).toThrow(expect.objectContaining({ name: 'WireError', code }))
  })

  it('reads nothing from nothing', () => {
    expect(parseOperations(bytesOf(''), 'server')).toEqual([])
  })
})

describe('verbName', () => {
  it('writes verbs as the protocol does', () => {
    const codes = Object.values(Verb) as VerbCode[]
    expect(codes.map((code) => verbName(code))).toEqual(
      Object.keys(Verb).map((name) => ({ ERR: '-ERR', OK: '+OK' })[name] ?? name),
    )
  })
})
