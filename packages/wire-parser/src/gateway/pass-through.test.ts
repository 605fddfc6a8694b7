// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { eventually, RawClient, startBroker, startGateway } from './rig.test-support.ts'

const connect = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
const verbose = 'CONNECT {"verbose":true,"pedantic":true,"headers":true}\r\n'
const message = 'PUB a 2\r\nhi\r\n'

// Each script is said to the server itself and through a gateway without policies: what comes back, and whether the
// connection stays, has to be the same.
const scripts: readonly (readonly [name: string, script: string])[] = [
  ['nothing but PING', 'PING\r\n'],
  ['PUB and SUB without CONNECT', 'SUB a 1\r\nPUB a 1\r\nx\r\n'],
  ['a subscriber that publishes', `${connect}SUB a 1\r\n${message}`],
  ['a message without echo', `CONNECT {"verbose":false,"echo":false,"pedantic":false}\r\nSUB a 1\r\n${message}`],
  ['verbs in any case, tabs and LF', `${connect}sUb\ta   1  \npub a 2\nhi\r\npInG junk\n`],
  ['sizes with leading zeros', `${connect}SUB a 1\r\nPUB a 0005\r\nhello\r\n`],
  ['reply subjects', `${connect}SUB a 1\r\nPUB a r.1 2\r\nhi\r\n`],
  ['headers', `${connect}SUB a 1\r\nHPUB a r 16 18\r\nNATS/1.0\r\nA: b\r\nhi\r\n`],
  ['a well-formed header block', `${connect}SUB a 1\r\nHPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n`],
  ['a header block of nothing', `${connect}SUB a 1\r\nHPUB a 0 2\r\nhi\r\n`],
  ['headers for who has not asked for them', 'CONNECT {"verbose":false}\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n'],
  ['no responders', `${connect}SUB r.1 1\r\nPUB nobody r.1 0\r\n\r\n`],
  ['no responders without headers', 'CONNECT {"verbose":false,"no_responders":true}\r\n'],
  ['a queue group', `${connect}SUB a q 1\r\n${message}`],
  ['a duplicate sid', `${connect}SUB a 1\r\nSUB b 1\r\nPUB b 0\r\n\r\n${message}`],
  ['UNSUB of nothing', `${connect}UNSUB 77\r\n`],
  ['UNSUB at once', `${connect}SUB a 1\r\n${message}UNSUB 1\r\n${message}`],
  ['UNSUB after two', `${connect}SUB a 1\r\nUNSUB 1 2\r\n${message}${message}${message}`],
  ['UNSUB with a max that was reached', `${connect}SUB a 1\r\n${message}${message}UNSUB 1 1\r\n${message}`],
  ['UNSUB with a number that is none', `${connect}SUB a 1\r\nUNSUB 1 -1\r\n${message}`],
  [
    'sids that are no numbers',
    `${connect}SUB b a-Z_9:/\r\nSUB a 01\r\nSUB c 1\r\n${message}PUB b 0\r\n\r\nUNSUB 01\r\n${message}PUB c 0\r\n\r\n`,
  ],
  ['an invalid subject', `${connect}SUB a..b 1\r\nSUB .a 2\r\nSUB >.a 3\r\n`],
  ['a pedantic PUB to a wildcard', `${verbose}SUB a.* 1\r\nPUB a.* 1\r\nx\r\n`],
  ['verbose answers', `${verbose}SUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1\r\nPING\r\nUNSUB 1\r\n`],
  ['verbose answers with an error between', `${verbose}SUB a 1\r\nSUB a..b 2\r\nUNSUB 2\r\n`],
  ['a second CONNECT', `${verbose}SUB a 1\r\nCONNECT {"verbose":false}\r\nSUB b 2\r\n`],
  ['a CONNECT without a blank', 'CONNECT{"verbose":false}\r\n'],
  ['a CONNECT with folded keys', 'CONNECT {"VERBOSE":false,"\u017fig":"x"}\r\nSUB a 1\r\n'],
  ['a CONNECT of another protocol', 'CONNECT {"verbose":false,"protocol":7}\r\n'],
  ['a CONNECT that is no JSON', 'CONNECT {"verbose":\r\n'],
  ['an account', 'CONNECT {"verbose":false,"account":"x","new_account":true}\r\n'],
  ['INFO and +OK of a client', `${connect}INFO {}\r\n+OK\r\nPONG\r\n`],
  ['-ERR of a client', `${connect}-ERR 'x'\r\n`],
  ['an unknown verb', `${connect}${message}PING\r\nFOO\r\n`],
  ['HTTP', 'GET / HTTP/1.1\r\n\r\n'],
  ['a leading blank', `${connect} PING\r\n`],
  ['SUB without arguments', `${connect}SUB\r\n`],
  ['SUB with blanks for arguments', `${connect}SUB  \r\n`],
  ['UNSUB with blanks for arguments', `${connect}UNSUB \t\r\n`],
  ['too many arguments', `${connect}PUB a b c 0\r\n\r\n`],
  ['a signed size', `${connect}PUB a +5\r\nhello\r\n`],
  ['a size of ten digits', `${connect}PUB a 0000000005\r\nhello\r\n`],
  ['a size beyond 2^64', `${connect}PUB a 18446744073709551621\r\nhello\r\n`],
  ['a payload above the limit', `${connect}PUB a 999999999\r\n`],
  ['a payload that is too short', `${connect}PUB a 5\r\nhi\r\n\r\n`],
  ['a payload ended by LF', `${connect}PUB a 2\r\nhi\n`],
  ['headers longer than the message', `${connect}HPUB a 14 12\r\nNATS/1.0\r\n\r\n\r\n`],
  ['a control line of 4,096 bytes', `${connect}SUB ${'a'.repeat(4094)} 1\r\n`],
  ['a control line of 4,097 bytes', `${connect}SUB ${'a'.repeat(4095)} 1\r\n`],
  ['a reserved reply', `${connect}PUB a $JS.ACK.x 0\r\n\r\n`],
  ['UTF-8 and odd bytes in a subject', `${connect}SUB \u00c3\u00a9.\u0001 1\r\nPUB \u00c3\u00a9.\u0001 1\r\nx\r\n`],
  ['a subject that is not UTF-8', `${connect}SUB \u00ff 1\r\nPUB \u00ff 1\r\nx\r\n`],
  ['operations inside a payload', `${connect}SUB a 1\r\nPUB a 22\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n\r\n`],
  ['a payload of all bytes', `${connect}SUB a 1\r\nPUB a 256\r\n${allBytes()}\r\n`],
  ['commands in one write behind an error', `${connect}PUB a.. 0\r\n\r\nSUB a 1\r\n${message}XX\r\n${message}`],
]

function allBytes(): string {
  return String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code))
}

/** What a script brings: everything behind INFO, and whether the connection stays open. */
async function say(url: string, script: string, pieces: (script: string) => string[]): Promise<string> {
  const client = await RawClient.to(url)
  for (const piece of pieces(script)) {
    client.send(piece)
    // A piece is a read of its own only if the system has sent it before the next one is written.
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.send('PING\r\n')
  const pongs = 1 + (script.match(/(?<=^|\n)ping/gi)?.length ?? 0)
  await eventually(() => client.isClosed || client.received.split('PONG\r\n').length > pongs)
  const said = client.received.replaceAll(/INFO [^\r]*\r\n/g, '')
  client.socket.destroy()
  return client.isClosed ? `${said.replace(/PONG\r\n$/, '')}(closed)` : said
}

describe.each(inject('natsServers'))('through a gateway in front of nats-server $version', (binary) => {
  it('is answered as by the server itself, whatever it says', { timeout: 60_000 }, async () => {
    const server = await startBroker(binary)
    const { url } = await startGateway(server)
    for (const [name, script] of scripts) {
      const direct = await say(server.url, script, (all) => [all])
      const through = await say(url, script, (all) => [all])
      expect.soft(through, name).toBe(direct)
    }
  })

  it('is answered the same where every byte is a read of its own', { timeout: 60_000 }, async () => {
    const server = await startBroker(binary)
    const { url } = await startGateway(server)
    // The server reads a control line that comes in two parts twice, and says what it finds twice: only whole answers to
    // whole commands can be compared with those to single bytes.
    const short = scripts.filter(([, script]) => script.length < 400)
    for (const [name, script] of short) {
      const whole = await say(url, script, (all) => [all])
      const single = await say(url, script, (all) => all.split(''))
      expect.soft(single, name).toBe(whole)
    }
  })
})
