// SPDX-License-Identifier: Apache-2.0
import type { Random } from './random.test-support.ts'

// What a client might say, one character per byte: valid commands in every spelling, and what mutation makes of them.

const subjects = [
  'a',
  'b',
  'a.b',
  'a.b.c',
  'b.a',
  'foo.bar',
  'x',
  'a.*',
  '*',
  'a.>',
  '>',
  '*.b',
  'a*b',
  'é',
  '\u00ff\u00fe',
  '1',
]
const oddSubjects = ['a..b', '.a', 'a.', '>.a', 'a.>.b', '..', '.', 'a\u0000b', '$X.y', '_INBOX.1']
const sids = ['1', '2', '3', 'a-Z_9:/', '10', 'é']
const replies = ['r', '_INBOX.9', 'r.1', '*', 'b']
const payloads = ['', 'x', 'hello', '\r\n', 'PING\r\n', '\u0000\u00ff\n', 'PUB a 1\r\nx\r\n', '0123456789'.repeat(6)]
const headerBlocks = ['NATS/1.0\r\n\r\n', 'NATS/1.0\r\nA: b\r\n\r\n', 'garbage', '\r\n\r\n', '']
const sizes = [
  '-1',
  '+5',
  '0x5',
  '5.0',
  '1e3',
  '999999999',
  '1000000000',
  '00',
  '000000005',
  '65',
  '64',
  '18446744073709551621',
]
const connects = [
  '{"verbose":false,"pedantic":false,"headers":true,"protocol":1}',
  '{"verbose":false,"headers":true}',
  '{"pedantic":false}',
  '{"VERBOSE":false,"ver\\u0062ose":true}',
  '{"verbo\u00c5\u00bfe":false}',
  '{}',
  'null',
  '{"echo":false,"verbose":false}',
  '{"headers":false,"verbose":null}',
  '{"user":"u","pass":"p","unknown":[{"a":[1,2,{}]}],"n":12345678901234567890}',
  '{"protocol":2}',
  '{"protocol":-1}',
  '{"protocol":1.0}',
  '{"no_responders":true}',
  '{"account":"x"}',
  '{"new_account":true}',
  '{"verbose":"no"}',
  '{"import":{"allow":["a",null]},"export":null}',
  '{"import":{"deny":[1]}}',
  '[]',
  '{"a":1,}',
  '{',
  '\u00ef\u00bb\u00bf{}',
]
// A CR among them now and then: where it stands inside an argument, the server reads it in ways of its own.
const separators = ['\t', '  ', ' \t ', '\t', '  ', ' \t ', '\t', '  ', ' \t ', ' \r', ' \n']
const lineEnds = ['\n', '\n', '\n', '\n', '\n', '\r\r\n', ' \r\r\n']
const infos = [
  'null',
  '{"port":4222,"unknown":[]}',
  '{"PORT":"x"}',
  '[]',
  '{',
  '{"headers":1}',
  '{"connect_urls":[null,"a"]}',
]
const interesting = [
  '\r',
  '\n',
  ' ',
  '\t',
  '\u0000',
  '\u00ff',
  '0',
  '9',
  '-',
  '+',
  '.',
  '*',
  '>',
  'P',
  'S',
  'H',
  'A',
  'R',
  '"',
  '{',
]

/** A script of whole commands; about one in four is then changed somewhere. Never longer than `longest` bytes. */
export function randomScript(random: Random, longest: number): string {
  const connect = random.oneIn(8) ? undefined : random.pick(connects.slice(0, 10))
  const hasHeaders = connect?.includes('"headers":true') === true || random.oneIn(12)
  const commands = connect === undefined ? [] : [command(random, 'CONNECT', connect)]
  const count = 2 + random.below(22)
  while (commands.length < count) commands.push(randomCommand(random, hasHeaders))
  let script = ''
  for (const each of commands) if (script.length + each.length <= longest - 8) script += each
  for (let left = random.oneIn(4) ? 1 + random.below(3) : 0; left > 0; left--) script = mutated(random, script)
  return script.slice(0, longest)
}

function randomCommand(random: Random, hasHeaders: boolean): string {
  switch (random.below(14)) {
    case 0:
      return command(
        random,
        random.pick(['PING', 'PONG', '+OK']),
        random.oneIn(4) ? random.pick(['junk', '', ' ']) : '',
      )
    case 1:
      return random.oneIn(3)
        ? command(random, 'INFO', random.oneIn(6) ? random.pick(infos) : '{}')
        : command(random, 'CONNECT', random.pick(random.oneIn(12) ? connects : connects.slice(0, 10)))
    case 2:
      return command(random, 'UNSUB', random.pick(sids), random.pick(['', '', '1', '2', '0', '-1', 'x', '1234567890']))
    case 3:
      return command(
        random,
        'UNSUB',
        random.pick(sids),
        random.oneIn(3) ? random.pick(sizes) : random.pick(['1', '2', '3']),
      )
    case 4:
    case 5:
    case 6:
      return command(random, 'SUB', subject(random), random.oneIn(5) ? `q${random.below(1000)}` : '', random.pick(sids))
    case 7:
      return random.oneIn(8) ? rareCommand(random) : pub(random)
    case 8:
    case 9:
      return hasHeaders ? hpub(random) : pub(random)
    default:
      return pub(random)
  }
}

/** Lines around the bound of 128 bytes, and what only servers or routes say. */
function rareCommand(random: Random): string {
  const rest = 'x'.repeat(122 + random.below(8))
  return random.pick([
    `SUB ${rest} 1\r\n`,
    `SUB ${rest} 1\n`,
    `SUB    ${rest}\t12  \r\n`,
    `PUB ${rest} 0\r\n\r\n`,
    `PING ${rest}${rest}\r\n`,
    command(random, '-ERR', "'x'"),
    command(random, 'MSG', 'a', '1', '0'),
    command(random, random.pick(['RS+', 'A+', 'LS+', 'GET', 'SUBS', 'PUBX'])),
    command(random, 'SUB', 'a', 'q', '1', '2'),
    command(random, 'UNSUB'),
  ])
}

function subject(random: Random): string {
  return random.oneIn(8) ? random.pick(oddSubjects) : random.pick(subjects)
}

function pub(random: Random): string {
  const payload = random.pick(payloads)
  const size = random.oneIn(80) ? random.pick(sizes) : spelled(random, payload.length)
  return `${command(random, 'PUB', subject(random), random.oneIn(3) ? random.pick(replies) : '', size)}${payload}\r\n`
}

function hpub(random: Random): string {
  const headers = random.pick(headerBlocks)
  const payload = random.pick(payloads.slice(0, 6))
  const header = random.oneIn(80) ? random.pick(sizes) : spelled(random, headers.length)
  const total = random.oneIn(60) ? random.pick(sizes) : spelled(random, headers.length + payload.length)
  const reply = random.oneIn(3) ? random.pick(replies) : ''
  return `${command(random, 'HPUB', subject(random), reply, header, total)}${headers}${payload}\r\n`
}

function spelled(random: Random, size: number): string {
  return random.oneIn(6) ? `${size}`.padStart(1 + random.below(9), '0') : `${size}`
}

function command(random: Random, verb: string, ...args: readonly string[]): string {
  const separator = (): string => (random.oneIn(8) ? random.pick(separators) : ' ')
  const letters = random.oneIn(6)
    ? Array.from(verb, (letter) => (random.oneIn(2) ? letter.toLowerCase() : letter))
    : [verb]
  const words = args.filter((each) => each !== '').map((each) => `${separator()}${each}`)
  const trailing = random.oneIn(12) ? separator() : ''
  return `${letters.join('')}${words.join('')}${trailing}${random.oneIn(8) ? random.pick(lineEnds) : '\r\n'}`
}

function mutated(random: Random, script: string): string {
  const at = random.below(script.length + 1)
  const upTo = Math.min(script.length, at + 1 + random.below(random.oneIn(3) ? 20 : 2))
  const before = script.slice(0, at)
  switch (random.below(5)) {
    case 0:
      return before + script.slice(upTo)
    case 1:
      return before + random.pick(interesting) + script.slice(at)
    case 2:
      return before + random.pick(interesting) + script.slice(at + 1)
    case 3:
      return before + script.slice(at, upTo) + script.slice(at)
    default:
      return before
  }
}
