// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf } from './conformance/recording.test-support.ts'
import { Parser, type ParserOptions } from './parser.ts'

describe('what a parser says is wrong', () => {
  const client: ParserOptions = {
    side: 'client',
    headers: false,
    limits: { maxPayloadBytes: 5, maxControlLineBytes: 20 },
  }

  it.each([
    [client, 'X', 'unknown_operation: the input goes on as no operation does'],
    [client, 'PUBX', 'unknown_operation: the input goes on as no operation does'],
    [{ ...client, connectRequired: true }, 'PING', 'authorization: the input comes before CONNECT'],
    [client, 'SUB a\r\n', 'bad_arguments: SUB has too few arguments, or too many'],
    [client, 'PUB a x\r\n', 'bad_size: PUB has a size that is not one to nine digits'],
    [client, 'PUB a 6\r\n', 'payload_too_large: PUB has headers and a payload that are longer than allowed'],
    [client, 'PUB a 1\r\nxx', 'bad_line_end: PUB has no CR LF behind its payload'],
    [client, 'HPUB a 0 0\r\n', 'headers_disabled: HPUB came without headers: true in CONNECT'],
    [{ side: 'client' }, 'HPUB a 2 1\r\n', 'bad_header_size: HPUB has headers that are longer than the whole'],
    [client, `UNSUB ${'x'.repeat(21)}`, 'control_line_too_long: UNSUB has a control line that is longer than allowed'],
    [client, "-ERR 'x'\r\n", 'peer_error: -ERR came from the client, which ends the connection'],
  ] as const)('%o %j', (options, input, text) => {
    const said: string[] = []
    const parser = new Parser(options, {
      operation: () => expect.fail('nothing is whole'),
      error: (error) => void said.push(`${error.code}: ${error.message}`),
    })
    parser.push(bytesOf(input))
    expect(said).toEqual([text])
  })
})
