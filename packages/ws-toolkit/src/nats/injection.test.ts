// SPDX-License-Identifier: Apache-2.0
import { connect } from '@nats-io/transport-node'
import * as fc from 'fast-check'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { jsonRpc } from '../codec/json-rpc.ts'
import { natsPublish, natsQueue, natsRequest, natsSubscribe } from '../nats.ts'
import { testGateway, type TestClient, type TestGateway } from '../testing.ts'
import { wsGateway } from '../ws-gateway.ts'
import { principalOf } from './nats-rig.test-support.ts'
import { startRecordingBroker, type RecordingBroker } from './recording-broker.test-support.ts'

const runs = inject('propertyRuns')
const patience = 60_000 + runs * 20

const hostile = fc.constantFrom(
  '\r\nPUB x 2\r\nhi\r\n',
  '\n',
  '\r',
  ' ',
  '\t',
  '\0',
  '\x7f',
  '.',
  '..',
  '*',
  '>',
  'a.b',
  '$SYS',
  '$JS',
  '_INBOX',
  '_gw',
  '__proto__',
  '\ud800',
  '\u{85}',
  '\u{a0}',
  '\u{2028}',
  '\u{ff0e}',
  '\u{ff0a}',
  'é',
  '/',
  '%2e',
  'a',
  '1',
  '',
)
const text = fc.oneof(
  { weight: 4, arbitrary: fc.array(hostile, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('')) },
  { weight: 2, arbitrary: fc.stringMatching(/^[a-z0-9-]{1,12}$/) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 900, max: 1100 }).map((length) => 'x'.repeat(length)) },
)
// A second statement of what one token is.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const token = /^[^\s.*>\u0000-\u001f\u007f-\u00a0\ufeff]+$/u

interface Trial {
  readonly broker: RecordingBroker
  readonly rig: TestGateway
  /** Everything that was sent to the broker is there. */
  flush(): Promise<void>
}

async function startTrial(): Promise<Trial> {
  const broker = await startRecordingBroker()
  const nats = await connect({ servers: broker.url })
  const gateway = wsGateway({ principal: () => principalOf('ada'), maxConnectionsPerPrincipal: 10_000 })
  const headers = (request: { readonly data: unknown }): Record<string, string> => ({
    'X-Tag': String(Reflect.get(Object(request.data), 'tag')),
  })
  const news = natsSubscribe(nats, { allow: ['news.{topic}'] })
  gateway
    .channel('/r/:room', { codec: jsonRpc(), messagesPerSecond: Infinity, bytesPerSecond: Infinity })
    .route('ask', natsRequest(nats, 'ask.{room}.{value}', { headers }))
    .route('put', natsPublish(nats, 'put.{{name}}.{value}', { headers }))
    .route('job', natsQueue(nats, '{value}.jobs', { headers }))
    .route('go.>', natsRequest(nats, 'go.{match*}'))
    .route('sub', news)
    .route('unsub', news.unsubscribe)
  const rig = testGateway(gateway)
  onTestFinished(async () => {
    await rig.close()
    await nats.close()
  })
  return { broker, rig, flush: () => nats.flush() }
}

interface Answer {
  readonly result?: unknown
  readonly error?: { readonly data?: { readonly code: string } }
}

let lastId = 0

async function ask(client: TestClient, method: string, params: object): Promise<string> {
  lastId += 1
  client.send({ jsonrpc: '2.0', id: lastId, method, params })
  const answer = await client.nextJson<Answer>()
  return answer.error?.data?.code ?? (answer.error === undefined ? 'ok' : 'other')
}

describe('what a client can make a gateway publish', () => {
  it(
    'reliability T1: is exactly one PUB with the subject of the template, or an error and nothing at all',
    async () => {
      const { broker, rig, flush } = await startTrial()
      const client = await rig.connect('/r/lobby')
      const expected: Record<string, (value: string) => string> = {
        ask: (value) => `ask.lobby.${value}`,
        put: (value) => `put.ada.${value}`,
        job: (value) => `${value}.jobs`,
      }
      const outcomes = { ok: 0, refused: 0 }
      await fc.assert(
        fc.asyncProperty(fc.constantFrom('ask', 'put', 'job'), text, text, async (method, value, tag) => {
          broker.take()
          const outcome = await ask(client, method, { value, tag })
          await flush()
          const published = broker.take()
          expect(broker.faults).toEqual([])
          if (outcome !== 'ok') {
            expect(['invalid_params', 'reserved_subject', 'bad_request']).toContain(outcome)
            expect(published).toEqual([])
            outcomes.refused += 1
            return
          }
          expect(value).toMatch(token)
          expect(published.map(({ subject }) => subject)).toEqual([expected[method]?.(value)])
          expect(published[0]?.subject).not.toMatch(/^[$_]/)
          const [sent] = published
          const lines = sent?.verb === 'HPUB' ? Buffer.from(sent.headers).toString().split('\r\n') : []
          expect(lines.map((line) => line.split(':')[0])).toEqual([
            'NATS/1.0',
            'Ws-Connection',
            'Ws-Ip',
            'Ws-User',
            'X-Tag',
            '',
            '',
          ])
          outcomes.ok += 1
        }),
        { numRuns: runs },
      )
      // Neither half of the property is empty.
      expect(Math.min(outcomes.ok, outcomes.refused)).toBeGreaterThan(runs / 20)
    },
    patience,
  )

  it(
    'reliability T1: is no more than that by the keys of messages and the subjects of subscriptions',
    async () => {
      const { broker, rig, flush } = await startTrial()
      const client = await rig.connect('/r/lobby')
      await fc.assert(
        fc.asyncProperty(text, async (value) => {
          broker.take()
          const [key, subscribed] = [
            await ask(client, `go.${value}`, {}),
            await ask(client, 'sub', { subject: `news.${value}` }),
          ]
          await flush()
          expect(broker.faults).toEqual([])
          expect(broker.take().map(({ subject }) => subject)).toEqual(key === 'ok' ? [`go.${value}`] : [])
          if (key === 'ok') for (const part of value.split('.')) expect(part).toMatch(token)
          const listened = broker.patterns.splice(0).filter((pattern) => !pattern.startsWith('_'))
          expect(listened.every((pattern) => pattern === `news.${value}`)).toBe(true)
          if (subscribed !== 'ok') {
            expect(listened).toEqual([])
            return
          }
          expect(value === '*' || token.test(value)).toBe(true)
          expect(await ask(client, 'unsub', { subject: `news.${value}` })).toBe('ok')
        }),
        { numRuns: Math.ceil(runs / 2) },
      )
    },
    patience,
  )

  it(
    'reliability T2: is one token of the path, whatever it decodes to',
    async () => {
      const { broker, rig, flush } = await startTrial()
      const byte = fc.oneof(
        fc.constantFrom(
          '%0d%0a',
          '%20',
          '%00',
          '%2e',
          '%2a',
          '%3e',
          '%2f',
          '%c0%ae',
          '%ef%bc%8e',
          '%c2%a0',
          '%ff',
          'a',
        ),
        fc.stringMatching(/^[a-z0-9]{1,3}$/),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(byte, { minLength: 1, maxLength: 4 }), async (bytes) => {
          broker.take()
          const client = await rig.connect(`/r/${bytes.join('')}`).catch(() => undefined)
          const outcome = client === undefined ? 'refused' : await ask(client, 'ask', { value: 'v' })
          await flush()
          client?.cut()
          const published = broker.take().map(({ subject }) => subject)
          expect(broker.faults).toEqual([])
          if (outcome === 'ok') expect(published).toEqual([`ask.${decodeURIComponent(bytes.join(''))}.v`])
          else expect(published).toEqual([])
          for (const subject of published) expect(subject.split('.')).toHaveLength(3)
        }),
        { numRuns: Math.ceil(runs / 5) },
      )
    },
    patience,
  )
})
