// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type HostKind, hostKinds } from './http-host.test-support.ts'
import { RawClient, type RawResponse } from './raw-client.test-support.ts'
import { RecordingBroker } from './recording-broker.test-support.ts'
import { connectTo, startRig } from './rig.test-support.ts'

const runs = inject('propertyRuns')
const patience = 60_000 + runs * 20

const methods = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'M-SEARCH', 'get', 'TRACE')
const hostile = fc.constantFrom(
  '%0d%0aPUB%20x%202%0d%0ahi%0d%0a',
  '%0a',
  '%0D',
  '%20',
  '%09',
  '%00',
  '%7f',
  '%2e',
  '%2E%2E',
  '%2a',
  '*',
  '%3e',
  '>',
  '.',
  '..',
  '//',
  '/',
  '%2f',
  '%5c',
  '\\',
  '#',
  '?',
  '%',
  '%zz',
  '%ff',
  '%c0%ae',
  '%E2%82%AC',
  '%ef%bc%8a',
  '%c2%a0',
  '%c2%85',
  '%e2%80%a8',
  '%ed%a0%80',
  '$SYS',
  '_INBOX',
  '$JS.API',
  'a',
  'b',
  '1',
  ':',
  ';',
  '@',
  '~',
  '-',
  '_',
  '!',
  '(',
  ')',
  ',',
  '=',
  '+',
  '%252e',
  '%25',
  '{',
  '|',
  '"',
  '<',
)
const anyByte = fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code))
const piece = fc.oneof({ weight: 6, arbitrary: hostile }, { weight: 1, arbitrary: anyByte })
const target = fc.oneof(
  { weight: 30, arbitrary: fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join('')}`) },
  {
    weight: 8,
    arbitrary: fc
      .array(fc.constantFrom('a', 'b1', 'c-d', 'e%41', 'f:g'), { minLength: 1, maxLength: 40 })
      .map((list) => `/${list.join('/')}`),
  },
  { weight: 1, arbitrary: fc.integer({ min: 990, max: 1040 }).map((length) => `/${'x'.repeat(length)}`) },
  { weight: 1, arbitrary: fc.integer({ min: 8180, max: 8200 }).map((length) => `/a?${'y'.repeat(length - 3)}`) },
  { weight: 1, arbitrary: fc.constantFrom('*', 'http://other/a', 'http://test/a', '//test/a', 'a') },
)
const headerName = fc.constantFrom(
  'Nats-Msg-Id',
  'nats-rollup',
  'NATS-EXPECTED-STREAM',
  'Nats-Edge-User',
  'nats-edge-param-a',
  'Status',
  'Description',
  'Reply-To',
  'X_Under_Score',
  'Accept',
  'If-Match',
  'Cookie',
  'Authorization',
  'X-Forwarded-For',
  'X-Request-Id',
  'traceparent',
  'tracestate',
  'Range',
  '__proto__',
  'constructor',
)
const headerText = fc.oneof(
  fc.constantFrom(
    '',
    'x',
    'NATS/1.0 503',
    '"a", "b"',
    'a: b',
    '\t tab',
    '\x80\xff\xe9',
    '\xe2\x82\xac',
    '00-' + '1'.repeat(32) + '-' + '2'.repeat(16) + '-01',
  ),
  fc
    .array(fc.integer({ min: 0x20, max: 0xff }), { maxLength: 30 })
    .map((codes) => String.fromCharCode(...codes.filter((code) => code !== 0x7f))),
)
const headers = fc.array(fc.tuple(headerName, headerText), { maxLength: 6 })

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const unfit = /[\s\u0000-\u0020\u007f-\u00a0\ufeff]/u

/** The subject nats-proxy's mapping gives, written down a second time: bytes, a strict decoder and one expression. */
function mappedSubject(method: string, raw: string): string | undefined {
  const path = raw.split('?')[0] ?? ''
  if (!raw.startsWith('/') || /[\\#]/.test(path) || raw.includes('#') || raw.length > 8192) return undefined
  if (path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) return undefined
  const decoded = decodeStrictly(path)
  if (decoded === undefined) return undefined
  const subject = `${method}:${decoded.replaceAll('/', '.')}`
  const tokens = subject.split('.')
  const clean = tokens.every((token) => token !== '' && token !== '*' && token !== '>' && !unfit.test(token))
  if (!clean || tokens.length > 32 || Buffer.byteLength(subject) > 1024) return undefined
  return Buffer.from(subject, 'utf8').toString('latin1')
}

function decodeStrictly(path: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return undefined
  const bytes = path.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number(`0x${hex}`)))
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return undefined
  }
}

/** Sends on a kept connection, a new one where the last request ended it. */
class Sender {
  readonly #port: number
  #client: RawClient | undefined

  constructor(port: number) {
    this.#port = port
  }

  async send(method: string, raw: string, lines: readonly (readonly [string, string])[]): Promise<RawResponse> {
    if (this.#client === undefined || this.#client.isClosed) this.#client = await RawClient.open(this.#port)
    const head = [`${method} ${raw} HTTP/1.1`, 'Host: test', ...lines.map(([name, value]) => `${name}: ${value}`)]
    const response = await this.#client.send(`${head.join('\r\n')}\r\n\r\n`)
    if (response.get('connection') === 'close') this.close()
    return response
  }

  close(): void {
    this.#client?.close()
    this.#client = undefined
  }
}

interface Trial {
  readonly broker: RecordingBroker
  readonly sender: Sender
  stop(): Promise<void>
}

async function startTrial(kind: HostKind): Promise<Trial> {
  const broker = await RecordingBroker.start()
  const nats = await connectTo(broker.url)
  const routes = [{ path: '/h/{a}/{rest*}', subject: 'h.{method}.{a}.{rest*}', envelope: 'headers' as const }]
  const rig = await startRig({ nats, routes }, kind)
  await rig.proxy.ready()
  const sender = new Sender(rig.host.port)
  return {
    broker,
    sender,
    async stop() {
      sender.close()
      await rig.stop()
      await nats.close()
      await broker.stop()
    },
  }
}

describe.each(hostKinds)('what a request can make the proxy publish, on a %s host', (kind) => {
  let trial: Trial

  beforeAll(async () => {
    trial = await startTrial(kind)
  })
  afterAll(() => trial.stop())

  it(
    'reliability T1: is exactly one PUB with the mapped subject, or a 4xx and nothing at all',
    async () => {
      const { broker, sender } = trial
      let published = 0
      await fc.assert(
        fc.asyncProperty(methods, target, headers, async (method, raw, lines) => {
          fc.pre(!raw.startsWith('/h/'))
          const expected = mappedSubject(method, raw)
          broker.take()
          const response = await sender.send(method, raw, lines)
          const recorded = broker.take()
          expect(broker.garbage).toEqual([])
          if (response.status >= 400 && response.status < 500) {
            expect(recorded).toEqual([])
            // Node's parser refuses lower-case methods and some raw bytes before the proxy sees them.
            if (method !== 'get' && /^[\x21-\x7e]*$/.test(raw)) expect(expected).toBeUndefined()
            return
          }
          expect(response.status).toBe(200)
          expect(recorded.map(({ subject, headers: block }) => [subject, block])).toEqual([[expected, '']])
          expect(recorded[0]?.reply).toMatch(/^_INBOX\.[A-Za-z0-9_.-]{22,}$/)
          published++
        }),
        { numRuns: runs },
      )
      // Both outcomes are common, so neither half of the property is empty.
      expect(published).toBeGreaterThan(runs / 20)
      expect(published).toBeLessThan(runs * 0.95)
    },
    patience,
  )
})

describe('what a request can put into NATS headers', () => {
  let trial: Trial

  beforeAll(async () => {
    trial = await startTrial('raw')
  })
  afterAll(() => trial.stop())

  it(
    'reliability T5: carries no header into NATS that is not on the list',
    async () => {
      const { broker, sender } = trial
      const segment = fc.oneof(fc.constantFrom('a', 'b', '%61', '1', 'a%3Ab'), piece)
      await fc.assert(
        fc.asyncProperty(fc.array(segment, { minLength: 2, maxLength: 5 }), headers, async (segments, lines) => {
          broker.take()
          const response = await sender.send('GET', `/h/${segments.join('/')}`, lines)
          const recorded = broker.take()
          expect(broker.garbage).toEqual([])
          if (response.status >= 400 && response.status < 500) {
            expect(recorded).toEqual([])
            return
          }
          expect(recorded).toHaveLength(1)
          const [{ subject, headers: block } = { subject: '', headers: '' }] = recorded
          if (!subject.startsWith('h.')) return
          expect(subject).toMatch(/^h\.GET(?:\.[^\s.*>]+){2,}$/)
          const [version, ...names] = block.split('\r\n').map((line) => line.split(':')[0] ?? '')
          expect(version).toBe('NATS/1.0')
          expect(names.splice(-2)).toEqual(['', ''])
          expect(names.filter((name) => !listed.test(name))).toEqual([])
          expect(names.filter((name) => name.startsWith('Nats-Edge-')).length).toBe(
            new Set(names.filter((name) => name.startsWith('Nats-Edge-'))).size,
          )
        }),
        { numRuns: runs },
      )
    },
    patience,
  )
})

const listed =
  /^(?:Nats-Edge-(?:Method|Path|Query|Host|Scheme|Client-Ip|Route|Request-Id|Timeout-Ms|Param-a|Param-rest)|Accept|If-Match|Range|traceparent|tracestate)$/
