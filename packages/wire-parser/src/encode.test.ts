// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, textOf } from './conformance/recording.test-support.ts'
import { encodeOperation, controlLineRoom, operationRoom, writeControlLine, writeOperation } from './encode.ts'
import type { Operation, OperationView } from './operation.ts'
import { Parser } from './parser.ts'
import { parseOperations } from './parse-operations.ts'
import type { Side } from './verb-table.ts'

const hi = bytesOf('hi')
const none = bytesOf('')
const headers = bytesOf('NATS/1.0\r\n\r\n')

const rows: [wire: string, operation: Operation][] = [
  ['CONNECT {"a":1}\r\n', { verb: 'CONNECT', json: bytesOf('{"a":1}') }],
  ['INFO {}\r\n', { verb: 'INFO', json: bytesOf('{}') }],
  ['PING\r\n', { verb: 'PING' }],
  ['PONG\r\n', { verb: 'PONG' }],
  ['+OK\r\n', { verb: '+OK' }],
  ["-ERR 'Stale Connection'\r\n", { verb: '-ERR', text: 'Stale Connection' }],
  ["-ERR ''\r\n", { verb: '-ERR', text: '' }],
  ['PUB a 2\r\nhi\r\n', { verb: 'PUB', subject: 'a', payload: hi }],
  ['PUB a r 0\r\n\r\n', { verb: 'PUB', subject: 'a', replyTo: 'r', payload: none }],
  ['HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', { verb: 'HPUB', subject: 'a', headers, payload: hi }],
  ['HPUB a r 0 2\r\nhi\r\n', { verb: 'HPUB', subject: 'a', replyTo: 'r', headers: none, payload: hi }],
  ['MSG a 1 2\r\nhi\r\n', { verb: 'MSG', subject: 'a', sid: '1', payload: hi }],
  ['MSG a 1 r 2\r\nhi\r\n', { verb: 'MSG', subject: 'a', sid: '1', replyTo: 'r', payload: hi }],
  ['HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n', { verb: 'HMSG', subject: 'a', sid: '1', headers, payload: none }],
  [
    'HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    { verb: 'HMSG', subject: 'a', sid: '1', replyTo: 'r', headers, payload: hi },
  ],
  ['SUB a.*.> 1\r\n', { verb: 'SUB', subject: 'a.*.>', sid: '1' }],
  ['SUB a q a-Z_9:/\r\n', { verb: 'SUB', subject: 'a', queue: 'q', sid: 'a-Z_9:/' }],
  ['UNSUB 1\r\n', { verb: 'UNSUB', sid: '1' }],
  ['UNSUB 1 5\r\n', { verb: 'UNSUB', sid: '1', max: 5 }],
  ['UNSUB 1 999999999\r\n', { verb: 'UNSUB', sid: '1', max: 999_999_999 }],
]
const sides: Record<Operation['verb'], Side> = {
  CONNECT: 'client',
  PUB: 'client',
  HPUB: 'client',
  SUB: 'client',
  UNSUB: 'client',
  INFO: 'server',
  MSG: 'server',
  HMSG: 'server',
  '-ERR': 'server',
  PING: 'server',
  PONG: 'server',
  '+OK': 'server',
}

describe('encodeOperation', () => {
  it.each(rows)('writes %j', (wire, operation) => {
    expect(textOf(encodeOperation(operation))).toBe(wire)
    expect(parseOperations(bytesOf(wire), sides[operation.verb])).toEqual([operation])
  })

  it('writes text as UTF-8', () => {
    const wire = encodeOperation({ verb: 'SUB', subject: 'é.😀', queue: '\u0000\u0001', sid: 'ñ' })
    expect(Buffer.from(wire).toString()).toBe('SUB é.😀 \u0000\u0001 ñ\r\n')
  })

  const bad = ['', ' ', 'a b', 'a\tb', 'a\r', '\na', 'a\r\nPUB x 0', '\uD83D', 'a\uDE00b']
  it.each(bad)('refuses the token %j', (token) => {
    const operations: Operation[] = [
      { verb: 'PUB', subject: token, payload: none },
      { verb: 'PUB', subject: 'a', replyTo: token, payload: none },
      { verb: 'HPUB', subject: token, headers, payload: none },
      { verb: 'MSG', subject: 'a', sid: token, payload: none },
      { verb: 'HMSG', subject: 'a', sid: '1', replyTo: token, headers, payload: none },
      { verb: 'SUB', subject: token, sid: '1' },
      { verb: 'SUB', subject: 'a', queue: token, sid: '1' },
      { verb: 'SUB', subject: 'a', sid: token },
      { verb: 'UNSUB', sid: token },
    ]
    for (const operation of operations) expect(() => encodeOperation(operation)).toThrow(TypeError)
  })

  it('names what it refuses', () => {
    expect(() => encodeOperation({ verb: 'PUB', subject: 'a b', payload: none })).toThrow('subject "a b"')
    expect(() => encodeOperation({ verb: 'SUB', subject: 'a', queue: '', sid: '1' })).toThrow('queue ""')
  })

  it.each(['a\r', 'a\nb', '\r\n'])('refuses the text %j', (text) => {
    expect(() => encodeOperation({ verb: '-ERR', text })).toThrow('holds a line end')
  })

  it.each(['', '{\n}', '{}\r'])('refuses the JSON %j', (json) => {
    expect(() => encodeOperation({ verb: 'CONNECT', json: bytesOf(json) })).toThrow(TypeError)
    expect(() => encodeOperation({ verb: 'INFO', json: bytesOf(json) })).toThrow(TypeError)
  })

  it.each([-1, 1.5, Number.NaN, 1_000_000_000])('refuses to unsubscribe after %d', (max) => {
    expect(() => encodeOperation({ verb: 'UNSUB', sid: '1', max })).toThrow(`max: ${max}`)
  })
})

describe('writeOperation', () => {
  it('writes behind what is there and says how far it came', () => {
    const buffer = new Uint8Array(1000)
    let end = 0
    for (const [, operation] of rows) {
      expect(buffer.length - end).toBeGreaterThanOrEqual(operationRoom(operation))
      end = writeOperation(buffer, end, operation)
    }
    expect(textOf(buffer.subarray(0, end))).toBe(rows.map(([wire]) => wire).join(''))
  })

  it('writes nothing of what it refuses', () => {
    const buffer = new Uint8Array(100)
    expect(() => writeOperation(buffer, 0, { verb: 'PUB', subject: 'a', replyTo: ' ', payload: hi })).toThrow(TypeError)
    expect(buffer).toEqual(new Uint8Array(100))
  })
})

/** Calls back with the view of the only operation. */
function withView(side: Side, wire: string, use: (view: OperationView) => void): void {
  let seen = 0
  const parser = new Parser(
    { side },
    {
      operation(view) {
        seen++
        use(view)
      },
      error: (error) => expect.fail(error.message),
    },
  )
  parser.push(bytesOf(wire))
  expect(seen).toBe(1)
}

function rewritten(side: Side, wire: string, header: number, total: number): string {
  let text = ''
  withView(side, wire, (view) => {
    const buffer = new Uint8Array(3 + controlLineRoom(view))
    text = textOf(buffer.subarray(3, writeControlLine(buffer, 3, view, header, total)))
  })
  return text
}

describe('writeControlLine', () => {
  it.each([
    ['client', 'pub  a\t2\nhi\r\n', -1, 0, 'PUB a 0\r\n'],
    ['client', 'PUB a r 0002\r\nhi\r\n', 12, 14, 'HPUB a r 12 14\r\n'],
    ['client', 'HPUB a r 0 2\r\nhi\r\n', -1, 999_999_999, 'PUB a r 999999999\r\n'],
    ['client', 'HPUB a 0 2\r\nhi\r\n', 100, 1000, 'HPUB a 100 1000\r\n'],
    ['server', 'MSG a 1 2\r\nhi\r\n', -1, 10, 'MSG a 1 10\r\n'],
    ['server', 'MSG a 1 r 2\r\nhi\r\n', 0, 9, 'HMSG a 1 r 0 9\r\n'],
    ['server', 'HMSG a 1 r 0 2\r\nhi\r\n', -1, 2, 'MSG a 1 r 2\r\n'],
    ['server', 'HMSG \u00ff\u0000 1 0 2\r\nhi\r\n', 99, 101, 'HMSG \u00ff\u0000 1 99 101\r\n'],
  ] as const)('writes the line of a %s %j with %d and %d', (side, wire, header, total, line) => {
    expect(rewritten(side, wire, header, total)).toBe(line)
  })

  it('refuses a line with a CR inside, and other verbs', () => {
    expect(() => rewritten('client', 'PUB a\rb 2\r\nhi\r\n', -1, 2)).toThrow(TypeError)
    expect(() => rewritten('client', 'SUB a 1\r\n', -1, 2)).toThrow(TypeError)
  })
})
