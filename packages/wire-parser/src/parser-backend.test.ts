// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, record, recordEveryChunking } from './conformance/recording.test-support.ts'
import type { ParserOptions } from './parser.ts'

// What a server says, as a client or a gateway reads it.
const options: ParserOptions = { side: 'server' }

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

describe('verbs of a server', () => {
  it.each([
    ['INFO {"max_payload":1}\r\n', 'INFO "{\\"max_payload\\":1}"'],
    ['INFO {} \r\n', 'INFO "{} "'],
    ['INFO{}\r\n', 'INFO "{}"'],
    ['info {}\n', 'INFO "{}"'],
    ['MSG a 1 5\r\nhello\r\n', 'MSG a 1 "hello"'],
    ['MSG a 1 r 5\r\nhello\r\n', 'MSG a 1 r "hello"'],
    ['MSG a 1 0005\r\nhello\r\n', 'MSG a 1 "hello"'],
    ['MSG a 1 0\r\n\r\n', 'MSG a 1 ""'],
    ['msg\ta  1\t r  5 \nhello\r\n', 'MSG a 1 r "hello"'],
    ['HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', 'HMSG a 1 "NATS/1.0\\r\\n\\r\\n" "hi"'],
    ['HMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n', 'HMSG a 1 r "NATS/1.0\\r\\n\\r\\n" ""'],
    ['HMSG r 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n', 'HMSG r 1 "NATS/1.0 503\\r\\n\\r\\n" ""'],
    ['PING\r\n', 'PING'],
    ['PONG\r\n', 'PONG'],
    ['+OK\r\n', '+OK'],
    ["-ERR 'Stale Connection'\r\n", '-ERR "Stale Connection"'],
    ['-ERR Stale Connection\r\n', '-ERR "Stale Connection"'],
    ["-ERR 'it''s'\r\n", '-ERR "it\'\'s"'],
    ["-ERR '\r\n", '-ERR "\'"'],
    ["-ERR ''\r\n", '-ERR ""'],
    ['-ERR\r\n', '-ERR ""'],
    ['-ERR  \t\r\n', '-ERR ""'],
    ['-ERR\n', '-ERR ""'],
    ["-err\t 'x' \r\n", '-ERR "x"'],
    [
      '-ERR \'Permissions Violation for Publish to "a\rb"\'\r\n',
      '-ERR "Permissions Violation for Publish to \\"a\\rb\\""',
    ],
  ])('reads %j', (input, line) => expect(read(input)).toEqual([line]))

  it.each([
    'PUB a 0\r\n\r\n',
    'HPUB a 0 0\r\n\r\n',
    'SUB a 1\r\n',
    'UNSUB 1\r\n',
    'CONNECT {}\r\n',
    '\r\n',
    ' PING\r\n',
  ])('refuses %j, which no server says', (input) => expect(refusal(input)).toBe('unknown_operation'))

  it.each([
    ['MSG a 1\r\n', 'bad_arguments'],
    ['MSG a 1 r 0 0\r\n', 'bad_arguments'],
    ['HMSG a 1 0\r\n', 'bad_arguments'],
    ['HMSG a 1 r 0 0 0\r\n', 'bad_arguments'],
    ['MSG a 1 x\r\n', 'bad_size'],
    ['MSG a 1 18446744073709551621\r\n', 'bad_size'],
    ['HMSG a 1 -1 0\r\n', 'bad_size'],
    ['HMSG a 1 6 5\r\nhello\r\n', 'bad_header_size'],
    ['MSG a 1 5\r\nhello\n', 'bad_line_end'],
    ['MSG a 1 4\r\nhello\r\n', 'bad_line_end'],
  ] as const)('refuses %j', (input, error) => expect(refusal(input)).toBe(error))

  // A publisher may put these into a subject; its size must still be found.
  it.each([
    ['MSG a\rb 1 2\r\nhi\r\n', 'MSG a\rb 1 "hi" (bare CR)'],
    ['MSG \na 1 2\r\nhi\r\n', 'MSG \na 1 "hi" (bare CR)'],
    ['MSG \u00ff\u0000.*.> 1 2\r\nhi\r\n', 'MSG \u00ff\u0000.*.> 1 "hi"'],
  ])('finds the payload of %j', (input, line) => expect(read(input)).toEqual([line]))
})

describe('what comes between', () => {
  it('reads INFO, PONG and acknowledgements among messages', () => {
    expect(
      read(
        'INFO {}\r\n+OK\r\nMSG a 1 6\r\nPING\r\n\r\nINFO {"ldm":true}\r\nPONG\r\nPONG\r\n-ERR\r\nMSG a 2 0\r\n\r\nPONG\r\n+OK\r\n+OK\r\n',
      ),
    ).toEqual([
      'INFO "{}"',
      '+OK',
      'MSG a 1 "PING\\r\\n"',
      'INFO "{\\"ldm\\":true}"',
      'PONG',
      'PONG',
      '-ERR ""',
      'MSG a 2 ""',
      'PONG',
      '+OK',
      '+OK',
    ])
  })

  it('reads an INFO of 20 KB', () => {
    const urls = Array.from({ length: 1200 }, (_, at) => `10.0.${at >> 8}.${at & 255}:4222`)
    const info = JSON.stringify({ server_id: 'x', connect_urls: urls })
    expect(info.length).toBeGreaterThan(20_000)
    const script = bytesOf(`INFO ${info}\r\nPING\r\n`)
    const expected = {
      lines: [`INFO ${JSON.stringify(info)}`, 'PING'],
      error: undefined,
      forwarded: `INFO ${info}\r\nPING\r\n`,
    }
    expect(record(options, [script])).toEqual(expected)
    expect(
      record(
        options,
        Array.from(script, (byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(expected)
  })

  it('has no bound on messages but the digits of a size', () => {
    const payload = 'x'.repeat(2_000_000)
    const script = bytesOf(`MSG a 1 ${payload.length}\r\n${payload}\r\n`)
    const { error, forwarded } = record(options, [script.subarray(0, 70_000), script.subarray(70_000)])
    expect([error, forwarded.length]).toEqual([undefined, script.length])
  })
})
