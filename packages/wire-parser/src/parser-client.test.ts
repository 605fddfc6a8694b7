// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, record, recordEveryChunking } from './conformance/recording.test-support.ts'
import type { ParserOptions } from './parser.ts'

const options: ParserOptions = { side: 'client', limits: { maxPayloadBytes: 1_048_576 } }

/** What is read of an input with a PING behind it, which shows where the operation ended. */
function read(input: string): readonly string[] {
  const script = `${input}PING\r\n`
  const { lines, error, forwarded } = recordEveryChunking(options, bytesOf(script))
  if (error !== undefined || forwarded !== script || lines.at(-1) !== 'PING') return [`${error}`, forwarded, ...lines]
  return lines.slice(0, -1)
}

/** Why an input is refused; the PING in front of it is read all the same. */
function refusal(input: string): string | undefined {
  const { lines, error, forwarded } = recordEveryChunking(options, bytesOf(`PING\r\n${input}PING\r\n`))
  return lines.join() === 'PING' && forwarded === 'PING\r\n' ? error : `${error} behind ${lines.join()}`
}

const allBytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))
const quoted = (text: string): string => JSON.stringify(text)

describe('verbs', () => {
  it.each([
    ['CONNECT {"a":1}\r\n', 'CONNECT "{\\"a\\":1}"'],
    ['CONNECT{}\r\n', 'CONNECT "{}"'],
    ['CONNECT \t {} \r\n', 'CONNECT "{} "'],
    ['INFO {}\r\n', 'INFO "{}"'],
    ['INFO{}\r\n', 'INFO "{}"'],
    ['PING\r\n', 'PING'],
    ['PONG\r\n', 'PONG'],
    ['+OK\r\n', '+OK'],
    ['PUB a 5\r\nhello\r\n', 'PUB a "hello"'],
    ['PUB a r 5\r\nhello\r\n', 'PUB a r "hello"'],
    ['HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', 'HPUB a "NATS/1.0\\r\\n\\r\\n" "hi"'],
    ['HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', 'HPUB a r "NATS/1.0\\r\\n\\r\\n" "hi"'],
    ['SUB a 1\r\n', 'SUB a 1'],
    ['SUB a q 1\r\n', 'SUB a q 1'],
    ['UNSUB 1\r\n', 'UNSUB 1'],
    ['UNSUB 1 5\r\n', 'UNSUB 1 5'],
  ])('reads %j', (input, line) => expect(read(input)).toEqual([line]))

  it.each(['MSG a 1 0\r\n\r\n', 'HMSG a 1 0 0\r\n\r\n', 'RS+ a\r\n', 'A+ a\r\n', 'LS+ a\r\n', 'GET / HTTP/1.1\r\n'])(
    'refuses %j, which no client says',
    (input) => expect(refusal(input)).toBe('unknown_operation'),
  )

  it.each(["-ERR 'x'\r\n", '-ERR x\r\n', '-ERR \r\n', '-err\tx\n'])('ends at %j', (input) =>
    expect(refusal(input)).toBe('peer_error'),
  )

  it('refuses -ERR without a blank', () => expect(refusal('-ERR\r\n')).toBe('unknown_operation'))
})

describe('separators', () => {
  it.each([
    ['PUB\ta\tr\t5\r\nhello\r\n', 'PUB a r "hello"'],
    ['PUB \t  a  \t r\t \t5  \t\r\nhello\r\n', 'PUB a r "hello"'],
    ['HPUB  a\t0   0 \r\n\r\n', 'HPUB a "" ""'],
    ['SUB   a   1   \r\n', 'SUB a 1'],
    ['SUB\ta\tq\t1\t\r\n', 'SUB a q 1'],
    ['UNSUB   1   5   \r\n', 'UNSUB 1 5'],
    ['PING \r\n', 'PING'],
    ['PONG\t\r\n', 'PONG'],
  ])('takes any blanks in %j', (input, line) => expect(read(input)).toEqual([line]))

  it.each([' PING\r\n', '\tPING\r\n', ' \r\n'])('refuses a leading blank in %j', (input) =>
    expect(refusal(input)).toBe('unknown_operation'),
  )

  // The byte behind the blanks begins the argument whatever it is, so a CR there is its first token.
  it.each(['SUB \r\n', 'UNSUB \t\r\n', 'PUB  \r\n', 'HPUB \r\n', 'SUB  \t \r\n'])('refuses %j', (input) =>
    expect(refusal(input)).toBe('bad_arguments'),
  )

  it.each([
    ['CONNECT \r\n', 'CONNECT "\\r" (bare CR)'],
    ['CONNECT\r\n', 'CONNECT "\\r" (bare CR)'],
    ['INFO \r\n', 'INFO "\\r" (bare CR)'],
  ])('hands out %j, whose JSON is none', (input, line) => expect(read(input)).toEqual([line]))

  it.each(['SUB\r\n', 'UNSUB\r\n', 'PUB\r\n', 'HPUB\n'])('refuses %j without a blank', (input) =>
    expect(refusal(input)).toBe('unknown_operation'),
  )
})

describe('line ends', () => {
  it.each([
    ['PING\n', 'PING'],
    ['PING\r\r\n', 'PING'],
    ['PING junk\r\n', 'PING'],
    ['PINGPING\r\n', 'PING'],
    ['PONG SUB a 1\r\n', 'PONG'],
    ['+OK \u0000\u00ff\r\n', '+OK'],
    ['SUB a 1\n', 'SUB a 1'],
    ['PUB a 2\nhi\r\n', 'PUB a "hi"'],
    ['CONNECT {}\n', 'CONNECT "{}"'],
  ])('takes %j', (input, line) => expect(read(input)).toEqual([line]))

  it('takes a PING without LF and the next one for one', () => {
    const script = 'PING\rPING\r\n'
    expect(record(options, [bytesOf(script)])).toEqual({ lines: ['PING'], error: undefined, forwarded: script })
  })

  it.each(['\r\n', '\n', '\r', '\u0000', '\r\nPING\r\n'])('refuses the empty line %j', (input) =>
    expect(refusal(input)).toBe('unknown_operation'),
  )

  it.each([
    'PUB a 2\r\nhi\n',
    'PUB a 2\r\nhi\r\r\n',
    'PUB a 2\r\nhi\n\r',
    'PUB a 2\r\nhixx',
    'PUB a 2\r\nhi\rx',
    'PUB a 2\r\nhiPUB a 0\r\n\r\n',
    'PUB a 3\r\nhi\r\n',
    'PUB a 1\r\nhi\r\n',
    'PUB a 0\r\nhi\r\n',
    'PUB a 0\r\n\n',
    'HPUB a 12 12\r\nNATS/1.0\r\n\r\n\n',
  ])('refuses %j, whose payload does not end with CR LF', (input) => expect(refusal(input)).toBe('bad_line_end'))
})

describe('CR and LF inside an argument', () => {
  it.each([
    ['SUB fo\ro 1\r\n', 'SUB fo o 1 (bare CR)'],
    ['SUB foo 1\r\r\n', 'SUB foo 1 (bare CR)'],
    ['SUB \rfoo 1\r\n', 'SUB foo 1 (bare CR)'],
    ['SUB \nfoo 1\r\n', 'SUB foo 1 (bare CR)'],
    ['UNSUB 1\r5\r\n', 'UNSUB 1 5 (bare CR)'],
    ['PUB fo\ro 2\r\nhi\r\n', 'PUB fo\ro "hi" (bare CR)'],
    ['PUB \nfoo 2\r\nhi\r\n', 'PUB \nfoo "hi" (bare CR)'],
    ['PUB a\r b 2\r\nhi\r\n', 'PUB a\r b "hi" (bare CR)'],
    ['HPUB a\rb 0 2\r\nhi\r\n', 'HPUB a\rb "" "hi" (bare CR)'],
    ['CONNECT {"a":\r1}\r\n', 'CONNECT "{\\"a\\":\\r1}" (bare CR)'],
    ['CONNECT \n{}\r\n', 'CONNECT "\\n{}" (bare CR)'],
    // Behind another CR a lone LF takes the byte before it along.
    ['SUB fo\ro 12\n', 'SUB fo o 1 (bare CR)'],
    ['PUB a\rb 25\nhi\r\n', 'PUB a\rb "hi" (bare CR)'],
  ])('flags %j', (input, line) => expect(read(input)).toEqual([line]))

  it.each([
    ['PUB a 2\r\r\nhi\r\n', 'bad_size'],
    ['PUB a\r2\r\nhi\r\n', 'bad_arguments'],
    ['SUB a\r1 2 3\r\n', 'bad_arguments'],
  ] as const)('refuses %j', (input, error) => expect(refusal(input)).toBe(error))
})

describe('arguments', () => {
  const words = ['a', '1', '2', '3', '4', '5', '6', '7']
  const counts = { SUB: [2, 3], UNSUB: [1, 2], PUB: [2, 3], HPUB: [3, 4] }
  const rows = Object.entries(counts).flatMap(([verb, good]) =>
    words.map((_, count) => ({ verb, count, good: good.includes(count) })),
  )

  it.each(rows.filter(({ good, count }) => !good && count > 0))('refuses $verb with $count', ({ verb, count }) => {
    expect(refusal(`${verb} ${words.slice(0, count).join(' ')}\r\n`)).toBe('bad_arguments')
  })

  it.each(rows.filter(({ good }) => good))('takes $verb with $count', ({ verb, count }) => {
    const args = words.slice(0, count)
    if (verb === 'PUB' || verb === 'HPUB')
      args.splice(verb === 'PUB' ? -1 : -2, 2, ...(verb === 'PUB' ? ['0'] : ['0', '0']))
    const payload = verb === 'PUB' || verb === 'HPUB' ? '\r\n' : ''
    const script = bytesOf(`${verb} ${args.join(' ')}\r\n${payload}`)
    expect(record(options, [script])).toMatchObject({ error: undefined, lines: [expect.stringMatching(`^${verb} `)] })
  })

  it.each([
    ['SUB a-Z_9:/ 1\r\n', 'SUB a-Z_9:/ 1'],
    ['SUB a a-Z_9:/\r\n', 'SUB a a-Z_9:/'],
    [`SUB a ${'s'.repeat(255)}\r\n`, `SUB a ${'s'.repeat(255)}`],
    ['SUB a 1 2\r\n', 'SUB a 1 2'],
    ['SUB a.*.> 1\r\n', 'SUB a.*.> 1'],
    ['SUB a..b 1\r\n', 'SUB a..b 1'],
    ['SUB > 1\r\n', 'SUB > 1'],
    ['SUB \u00c3\u00a9\u0000\u0001 1\r\n', 'SUB \u00c3\u00a9\u0000\u0001 1'],
    ['PUB \u00ff\u0000.\u007f 0\r\n\r\n', 'PUB \u00ff\u0000.\u007f ""'],
    ['PUB a.*..> * 0\r\n\r\n', 'PUB a.*..> * ""'],
    ['UNSUB 1 -1\r\n', 'UNSUB 1'],
    ['UNSUB 1 0\r\n', 'UNSUB 1'],
    ['UNSUB 1 x\r\n', 'UNSUB 1'],
    ['UNSUB 1 1234567890\r\n', 'UNSUB 1'],
    ['UNSUB 1 999999999\r\n', 'UNSUB 1 999999999'],
    ['UNSUB 1 0005\r\n', 'UNSUB 1 5'],
  ])('takes %j as the server does', (input, line) => expect(read(input)).toEqual([line]))

  it('reads ten thousand tokens of a subject where the line may be that long', () => {
    const subject = Array.from({ length: 10_000 }, () => 'x').join('.')
    const limits = { maxControlLineBytes: 32_768 }
    const { lines } = record({ side: 'client', limits }, [bytesOf(`SUB ${subject} 1\r\n`)])
    expect(lines).toEqual([`SUB ${subject} 1`])
  })
})

describe('sizes', () => {
  it.each(['0', '00', '000000000'])('takes %s for nothing', (size) => {
    expect(read(`PUB a ${size}\r\n\r\n`)).toEqual(['PUB a ""'])
    expect(read(`HPUB a ${size} ${size}\r\n\r\n`)).toEqual(['HPUB a "" ""'])
  })

  it.each(['5', '05', '000000005'])('takes %s for five', (size) => {
    expect(read(`PUB a ${size}\r\nhello\r\n`)).toEqual(['PUB a "hello"'])
    expect(read(`HPUB a 0 ${size}\r\nhello\r\n`)).toEqual(['HPUB a "" "hello"'])
    expect(read(`HPUB a ${size} ${size}\r\nhello\r\n`)).toEqual(['HPUB a "hello" ""'])
  })

  const bad = [
    '-1',
    '-0',
    '+5',
    '0x5',
    '5.0',
    '1e3',
    '5,',
    '\u0665',
    '٥',
    'five',
    '0000000005',
    '1000000000',
    '4294967301',
  ]
  const huge = [2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2].map(String)
  it.each([...bad, ...huge, '18446744073709551621', '9223372036854775808', '1'.repeat(100)])('refuses %s', (size) => {
    const wire = Buffer.from(size).toString('latin1')
    expect(refusal(`PUB a ${wire}\r\nhello\r\n`)).toBe('bad_size')
    expect(refusal(`HPUB a ${wire} 5\r\nhello\r\n`)).toBe('bad_size')
    expect(refusal(`HPUB a 0 ${wire}\r\nhello\r\n`)).toBe('bad_size')
  })

  it('takes a blank before a size for what it is', () =>
    expect(read('PUB a  5 \r\nhello\r\n')).toEqual(['PUB a "hello"']))

  it('refuses headers that are longer than the whole', () => {
    expect(refusal('HPUB a 6 5\r\nhello\r\n')).toBe('bad_header_size')
    expect(refusal('HPUB a 999999999 5\r\nhello\r\n')).toBe('bad_header_size')
  })

  it.each(['999999999', '1048577'])('refuses %s, which is more than max_payload', (size) => {
    expect(refusal(`PUB a ${size}\r\n`)).toBe('payload_too_large')
    expect(refusal(`HPUB a 0 ${size}\r\n`)).toBe('payload_too_large')
  })
})

describe('payloads', () => {
  it.each(['\r\n', 'PING\r\n', '\r\n\r\n\r\n', 'PUB a 1\r\nx\r\n', '\n\r', "-ERR 'x'\r\n", '\u0000', allBytes])(
    'carries %j untouched',
    (payload) => {
      expect(read(`PUB a ${payload.length}\r\n${payload}\r\n`)).toEqual([`PUB a ${quoted(payload)}`])
    },
  )

  it.each([
    ['NATS/1.0\r\n\r\n', ''],
    ['NATS/1.0\r\n\r\n', 'x'],
    ['NATS/1.0 503\r\n\r\n', ''],
    ['NATS/1.0 100 Idle Heartbeat\r\nA: b\r\n\r\n', ''],
    ['NATS/1.0\r\nA: b\r\nA: c\r\na:d\r\nEmpty:\r\n\r\n', 'x'],
    ['NATS/1.0\r\n', 'no empty line'],
    ['garbage', 'PING\r\n'],
    ['NATS/1.0\r\n\r', '\n'],
    [allBytes, allBytes],
    ['', 'x'],
  ])('carries the headers %j and %j byte by byte', (headers, payload) => {
    const sizes = `${headers.length} ${headers.length + payload.length}`
    expect(read(`HPUB a r ${sizes}\r\n${headers}${payload}\r\n`)).toEqual([
      `HPUB a r ${quoted(headers)} ${quoted(payload)}`,
    ])
  })
})

describe('many operations', () => {
  it('reads them from one chunk and from any other', () => {
    expect(
      read('CONNECT {}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\nHPUB a 4 6\r\n\r\n\r\nhi\r\nPONG\r\nUNSUB 1\r\n'),
    ).toEqual(['CONNECT "{}"', 'SUB a 1', 'PUB a "hello"', 'PING', 'HPUB a "\\r\\n\\r\\n" "hi"', 'PONG', 'UNSUB 1'])
  })

  it('says nothing after an error', () => {
    const script = bytesOf('PING\r\nX\r\nPING\r\nPUB a 5\r\n')
    expect(record(options, [script, script, script])).toEqual({
      lines: ['PING'],
      error: 'unknown_operation',
      forwarded: 'PING\r\n',
    })
  })
})
