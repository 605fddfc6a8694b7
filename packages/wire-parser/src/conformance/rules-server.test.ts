// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { bytesOf } from './recording.test-support.ts'
import { RawClient } from './raw-client.test-support.ts'
import { message, ServerModel } from './server-model.test-support.ts'

// The rules for client input one by one, on live servers with their own limits. A row says what the client is told, and
// whether the connection ends; our parser with the model has to say the same.
function msg(sid: string, subject: string, payload: string, reply = '', headers = ''): string {
  return message(sid, [subject, reply, headers, payload])
}

type Row = [input: string, told: readonly string[], ends?: 'ends']

const quiet = 'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'
const unknown = '-ERR unknown protocol operation'
const tooLong = '-ERR maximum control line exceeded'
const violation = '-ERR maximum payload violation'

const rows: Row[] = [
  ['pInG\r\n', ['PONG']],
  ['PING junk\r\nPING\r\r\nPINGPING\r\nPING\n', ['PONG', 'PONG', 'PONG', 'PONG']],
  ['SUB a 1\nPUB\ta \t 02 \nhi\r\n', ['+OK', '+OK', msg('1', 'a', 'hi')]],
  [`${quiet}SUB a 1\r\nPUB a 2\r\nhi\r\nPONG\r\n+OK\r\nINFO {}\r\n`, [msg('1', 'a', 'hi')]],
  ['PUB a 2\r\nhi\n', [unknown], 'ends'],
  ['PUB a 2\r\nhix\r\n', [unknown], 'ends'],
  ['PUB a 3\r\nhi\r\nPING\r\n', [unknown], 'ends'],
  ['\r\n', [unknown], 'ends'],
  [' PING\r\n', [unknown], 'ends'],
  ['SUB\r\n', [unknown], 'ends'],
  ['GET / HTTP/1.1\r\n', [unknown], 'ends'],
  ['MSG a 1 0\r\n\r\n', [unknown], 'ends'],
  ['RS+ a\r\n', [unknown], 'ends'],
  ['SUB \r\n', [], 'ends'],
  ['SUB a\r\n', [], 'ends'],
  ['SUB a b c d\r\n', [], 'ends'],
  ['PUB a\r\n', [], 'ends'],
  ['PUB a b c 0\r\n', [], 'ends'],
  ['UNSUB \t\r\n', [], 'ends'],
  ['UNSUB 1 2 3\r\n', [], 'ends'],
  [`${quiet}HPUB a 0\r\n`, [], 'ends'],
  ['PUB a -1\r\n', [], 'ends'],
  ['PUB a +5\r\nhello\r\n', [], 'ends'],
  ['PUB a 0x5\r\nhello\r\n', [], 'ends'],
  ['PUB a 0000000005\r\nhello\r\n', [], 'ends'],
  ['PUB a 18446744073709551621\r\nhello\r\n', [], 'ends'],
  [`${quiet}HPUB a 6 5\r\nhello\r\n`, [], 'ends'],
  ['HPUB a 0 5\r\nhello\r\n', [], 'ends'],
  ['CONNECT {}\r\nHPUB a 0 5\r\nhello\r\n', ['+OK'], 'ends'],
  ['CONNECT {bad}\r\n', [], 'ends'],
  ['CONNECT \r\n', [], 'ends'],
  ['CONNECT{"verbose":false}\r\n', []],
  ["-ERR 'x'\r\n", [], 'ends'],
  [`${quiet}SUB a 1\r\nPUB a 000000005\r\nhello\r\n`, [msg('1', 'a', 'hello')]],
  ['PUB a 999999999\r\n', [violation], 'ends'],
  ['PUB a 1048577\r\n', [violation], 'ends'],
  [`${quiet}PUB a 1048576\r\n${'x'.repeat(1_048_576)}\r\n`, []],
  [`${quiet}SUB ${'s'.repeat(4094)} 1\r\n`, []],
  [`SUB ${'s'.repeat(4095)} 1\r\n`, [tooLong], 'ends'],
  [`CONNECT {"jwt":"${'j'.repeat(4086)}"}\r\n`, ['+OK']],
  [`CONNECT {"jwt":"${'j'.repeat(4087)}"}\r\n`, [tooLong], 'ends'],
  ['SUB foo. 1\r\nSUB .foo 1\r\nSUB >.a 1\r\n', Array.from({ length: 3 }, () => '-ERR invalid subject')],
  ['PUB foo.* 0\r\n\r\n', ['-ERR invalid publish subject', '+OK']],
  [`${quiet}SUB foo.* 1\r\nPUB foo.* 0\r\n\r\n`, [msg('1', 'foo.*', '')]],
  [`${quiet}SUB a 1\r\nSUB b 1\r\nPUB b 0\r\n\r\nPUB a 0\r\n\r\n`, [msg('1', 'a', '')]],
  ['UNSUB 9\r\nUNSUB 9 5\r\n', ['+OK', '+OK']],
  [`${quiet}SUB a 1\r\nUNSUB 1 -1\r\nPUB a 0\r\n\r\n`, []],
  [`${quiet}SUB a 1\r\nUNSUB 1 2\r\n${'PUB a 0\r\n\r\n'.repeat(3)}`, [msg('1', 'a', ''), msg('1', 'a', '')]],
  [
    `${quiet}SUB \u00c3\u00a9\u0001 1 a-Z_9:/\r\nPUB \u00c3\u00a9\u0001 0\r\n\r\n`,
    [msg('a-Z_9:/', '\u00c3\u00a9\u0001', '')],
  ],
  [`${quiet}SUB a\rb 1\r\nPUB a 0\r\n\r\n`, [msg('1', 'a', '')]],
  [`${quiet}SUB > 1\r\nPUB a\rb 0\r\n\r\n`, [msg('1', 'a\rb', '')]],
  [
    `${quiet}SUB a 1\r\nHPUB a r 4 6\r\n\r\n\r\nhi\r\nHPUB a 0 2\r\nhi\r\n`,
    [msg('1', 'a', 'hi', 'r', '\r\n\r\n'), msg('1', 'a', 'hi')],
  ],
  ['CONNECT {"protocol":2}\r\n', ['-ERR invalid client protocol'], 'ends'],
  ['CONNECT {"no_responders":true}\r\n', ['-ERR no responders requires headers support'], 'ends'],
  ['CONNECT {"account":"a"}\r\n', ['-ERR authorization violation'], 'ends'],
]

describe.each(inject('natsServers'))('rules of nats-server $version', (binary) => {
  let server: NatsServer

  beforeAll(async () => {
    server = await startNatsServer({ binary, jetstream: false })
  })

  afterAll(async () => {
    await server.stop()
  })

  it.each(rows.map(([input, told, ends]) => ({ input, told, ends, shown: input.slice(0, 80) })))(
    '$shown',
    async ({ input, told, ends }) => {
      const bytes = bytesOf(`${input}${ends === undefined ? 'PING\r\n' : ''}`)
      const expected = ends === undefined ? [...told, 'PONG'] : told
      const model = new ServerModel({
        limits: { maxPayloadBytes: 1_048_576 },
        connectDropsSubscriptions: !binary.version.startsWith('2.9.'),
      })
      model.push(bytes)
      expect([model.output, model.closed]).toEqual([expected, ends !== undefined])

      const client = await RawClient.open(server.port)
      client.send(bytes)
      await (ends === undefined ? client.pongsOrEnd(model.pongs) : client.end())
      expect([client.output, client.closed]).toEqual([expected, ends !== undefined])
      await client.close()
    },
  )

  it('cuts a line at the limit before its end has come', async () => {
    const client = await RawClient.open(server.port)
    client.send(bytesOf(`SUB ${'s'.repeat(3000)}`))
    client.send(bytesOf('s'.repeat(1500)))
    await client.end()
    expect(client.output).toEqual([tooLong])
  })
})
