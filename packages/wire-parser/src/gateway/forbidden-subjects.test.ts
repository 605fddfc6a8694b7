// SPDX-License-Identifier: Apache-2.0
import { createServer, type Socket } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { eventually, RawClient, type Rig, startGateway } from './rig.test-support.ts'

/** A server that takes everything down, byte for byte. */
class Recorder {
  received: Buffer[] = []
  url = ''
  isEnded = false
  #socket: Socket | undefined

  async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.#socket = socket.on('error', () => undefined)
      socket.write('INFO {"server_id":"x","headers":true,"max_payload":1048576}\r\n')
      this.received = []
      this.isEnded = false
      socket.on('close', () => (this.isEnded = true))
      socket.on('data', (chunk: Buffer) => this.received.push(chunk))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      this.#socket?.destroy()
      server.close()
    })
    const address = server.address()
    this.url = `nats://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1')
  }
}

const tokens = ['ok', 'no', 'x', '*', '>', '', '$SYS', '$JS', '_INBOX', '\u00e9', '\u00c3\u00a9', 'o\rk', 'ok\0', 'OK']
const words = fc.array(fc.constantFrom(...tokens), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'))
// Half of them begin as those do that are allowed.
const subject = fc.oneof(
  words,
  words.map((rest) => `ok.${rest}`),
)
const blank = fc.constantFrom(' ', '\t', '  ', ' \t ')
const payload = fc.constantFrom('', 'x', 'PUB no 0\r\n\r\n', '\r\nSUB no 9\r\n', '\r\n\r\n')
const lineEnd = fc.constantFrom('\r\n', '\n')

const publish = fc
  .record({ verb: fc.constantFrom('PUB', 'pub', 'Pub'), subject, reply: fc.option(subject), blank, payload, lineEnd })
  .map(({ verb, subject, reply, blank, payload, lineEnd }) => {
    const args = [verb, subject, ...(reply === null ? [] : [reply]), String(payload.length)]
    return `${args.join(blank)}${lineEnd}${payload}\r\n`
  })
const publishHeaders = fc.record({ subject, blank, payload }).map(({ subject, blank, payload }) => {
  const headers = 'NATS/1.0\r\nA: PUB no 0\r\n\r\n'
  const args = ['HPUB', subject, String(headers.length), String(headers.length + payload.length)]
  return `${args.join(blank)}\r\n${headers}${payload}\r\n`
})
const subscribe = fc
  .record({ subject, queue: fc.option(fc.constantFrom('q', '1', 'q\rr')), sid: fc.integer({ min: 1, max: 9 }), blank })
  .map(({ subject, queue, sid, blank }) =>
    ['SUB', subject, ...(queue === null ? [] : [queue]), String(sid)].join(blank).concat('\r\n'),
  )
const script = fc.array(fc.oneof(publish, publishHeaders, subscribe), { minLength: 1, maxLength: 8 })

/** Reads what a server would, one line after the other, by the plainest rules there are. */
function* operations(text: string): Generator<readonly [verb: string, subject: string]> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\n', at)
    const [verb = '', ...args] = text
      .slice(at, end)
      .split(/[ \t\r]+/)
      .filter((word) => word !== '')
    at = end + 1
    const name = verb.toUpperCase()
    if (name === 'PUB' || name === 'HPUB') at += Number(args.at(-1)) + 2
    if (name === 'PUB' || name === 'HPUB' || name === 'SUB') yield [name, args[0] ?? '']
  }
}

function isAllowed(verb: string, subject: string): boolean {
  const parts = subject.split('.')
  const isLiteral = verb !== 'SUB'
  // Such a SUB is for the server to refuse: nothing is subscribed.
  if (!isLiteral && (parts.includes('') || parts.slice(0, -1).includes('>'))) return true
  // A pattern may reach into what is denied: that is filtered when it is delivered. What is published is literal.
  if (parts.includes('')) return false
  return parts[0] === 'ok' && parts.length > 1 && parts[1] !== 'no'
}

describe('reliability T1, T2: permissions in front of a server that takes down what it gets', () => {
  it('let nothing through that they do not allow, however it is written and cut', async () => {
    const recorder = new Recorder()
    await recorder.listen()
    const rig: Rig = await startGateway(recorder, {
      policies: {
        permissions: {
          publish: { allow: ['ok.>'], deny: ['ok.no', 'ok.no.>'] },
          subscribe: { allow: ['ok.>'], deny: ['ok.no', 'ok.no.>'] },
        },
      },
    })
    let passed = 0
    let stopped = 0
    await fc.assert(
      fc.asyncProperty(script, fc.integer({ min: 1, max: 50 }), async (commands, size) => {
        const client = await RawClient.to(rig.url)
        client.send('CONNECT {"verbose":false,"headers":true}\r\n')
        const bytes = commands.join('')
        for (let at = 0; at < bytes.length; at += size) client.send(bytes.slice(at, at + size))
        client.socket.end()
        await client.closed()
        await eventually(() => recorder.isEnded && rig.gateway.health().connections === 0)
        const { text } = recorder
        const seen = [...operations(text.slice(text.indexOf('\n') + 1))]
        expect(seen.filter(([verb, subject]) => !isAllowed(verb, subject))).toEqual([])
        passed += seen.length
        stopped += commands.length - seen.length
      }),
      { numRuns: Math.ceil(inject('propertyRuns') / 5) },
    )
    expect(passed).toBeGreaterThan(20)
    expect(stopped).toBeGreaterThan(passed)
  }, 600_000)
})
