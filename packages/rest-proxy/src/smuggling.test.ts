// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hostKinds } from './http-host.test-support.ts'
import { RawClient, type RawResponse } from './raw-client.test-support.ts'
import { RecordingBroker } from './recording-broker.test-support.ts'
import { connectTo, type Rig, startRig, until } from './rig.test-support.ts'

/** What is sent, what may come of it: the subjects that are published, the status of the first answer. */
interface Trick {
  readonly name: string
  readonly bytes: string
  readonly status: number
  readonly subjects?: readonly string[]
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n'
const post = (lines: readonly string[], body: string): string =>
  `POST /a HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`

const tricks: readonly Trick[] = [
  { name: 'two Host headers', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', status: 400 },
  { name: 'two equal Host headers', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n', status: 400 },
  { name: 'no Host header', bytes: 'GET /a HTTP/1.1\r\n\r\n', status: 400 },
  {
    name: 'Transfer-Encoding on HTTP/1.0',
    bytes: 'POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 400,
  },
  { name: 'absolute form', bytes: 'GET http://other/a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'absolute form of the same host', bytes: 'GET http://a/a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'https absolute form', bytes: 'GET https://a/a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'asterisk form', bytes: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  {
    name: 'Content-Length and Transfer-Encoding',
    bytes: post(['Host: a', 'Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`),
    status: 400,
  },
  {
    name: 'Transfer-Encoding and Content-Length',
    bytes: post(['Host: a', 'Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${smuggled}`),
    status: 400,
  },
  {
    name: 'two Content-Lengths',
    bytes: post(['Host: a', 'Content-Length: 0', 'Content-Length: 40'], smuggled),
    status: 400,
  },
  {
    name: 'two equal Content-Lengths',
    bytes: post(['Host: a', 'Content-Length: 1', 'Content-Length: 1'], 'x'),
    status: 400,
  },
  { name: 'a list of Content-Lengths', bytes: post(['Host: a', 'Content-Length: 0, 40'], smuggled), status: 400 },
  { name: 'Content-Length with a sign', bytes: post(['Host: a', 'Content-Length: +3'], 'abc'), status: 400 },
  { name: 'negative Content-Length', bytes: post(['Host: a', 'Content-Length: -1'], ''), status: 400 },
  { name: 'hexadecimal Content-Length', bytes: post(['Host: a', 'Content-Length: 0x3'], 'abc'), status: 400 },
  {
    name: 'Content-Length beyond every number',
    bytes: post(['Host: a', 'Content-Length: 99999999999999999999999'], ''),
    status: 400,
  },
  {
    name: 'an unknown transfer coding',
    bytes: post(['Host: a', 'Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`),
    status: 400,
  },
  {
    name: 'chunked that is not last',
    bytes: post(['Host: a', 'Transfer-Encoding: chunked, identity'], `0\r\n\r\n${smuggled}`),
    status: 400,
  },
  {
    name: 'blank before the colon',
    bytes: post(['Host: a', 'Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`),
    status: 400,
  },
  { name: 'a folded header', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n  2\r\n\r\n', status: 400 },
  { name: 'a bare LF', bytes: 'GET /a HTTP/1.1\nHost: a\n\n', status: 400 },
  { name: 'a bare CR in a value', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-B: 2\r\n\r\n', status: 400 },
  { name: 'NUL in a value', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\x002\r\n\r\n', status: 400 },
  { name: 'a header without a name', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n', status: 400 },
  { name: 'a blank in a header name', bytes: 'GET /a HTTP/1.1\r\nHost: a\r\nX A: x\r\n\r\n', status: 400 },
  {
    name: 'a chunk size that is none',
    bytes: post(['Host: a', 'Transfer-Encoding: chunked'], 'zz\r\n\r\n'),
    status: 400,
  },
  {
    name: 'a chunk longer than its size',
    bytes: post(['Host: a', 'Transfer-Encoding: chunked'], `1\r\nxx${smuggled}`),
    status: 400,
  },
  { name: 'an unknown method', bytes: 'PWN /a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'a later version', bytes: 'GET /a HTTP/3.7\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'a blank in the target', bytes: 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'a fragment', bytes: 'GET /a#/b HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'a backslash', bytes: 'GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
  { name: 'dot segments', bytes: 'GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n', status: 404 },
  { name: 'encoded dot segments', bytes: 'GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n', status: 404 },
  { name: 'a target of another host', bytes: 'GET //evil/a HTTP/1.1\r\nHost: a\r\n\r\n', status: 404 },
  {
    name: 'the NATS protocol in a body',
    bytes: post(['Host: a', 'Content-Length: 20'], 'PUB evil 2\r\nhi\r\nPING'),
    status: 200,
    subjects: ['POST:.a'],
  },
  {
    name: 'a request in a body',
    bytes: post(['Host: a', `Content-Length: ${smuggled.length}`], smuggled),
    status: 200,
    subjects: ['POST:.a'],
  },
  {
    name: 'two requests at once',
    bytes: 'GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
    status: 200,
    subjects: ['GET:.a', 'GET:.b'],
  },
  {
    name: 'chunks with an extension',
    bytes: post(['Host: a', 'Transfer-Encoding: chunked'], '2;x=y\r\nhi\r\n0\r\n\r\n'),
    status: 200,
    subjects: ['POST:.a'],
  },
  {
    name: 'chunks with a trailer',
    bytes: post(['Host: a', 'Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nHost: evil\r\nNats-Msg-Id: 1\r\n\r\n'),
    status: 200,
    subjects: ['POST:.a'],
  },
  {
    name: 'a prototype for a header',
    bytes: 'GET /a HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nconstructor: y\r\n\r\n',
    status: 200,
    subjects: ['GET:.a'],
  },
]

// Refused, but everyone agrees where they end.
const staysOpen: ReadonlySet<string> = new Set(['asterisk form', 'a fragment', 'a backslash'])

describe.each(hostKinds)('reliability T10: framing tricks on a %s host', (kind) => {
  let broker: RecordingBroker
  let nats: NatsConnection
  let rig: Rig

  beforeAll(async () => {
    broker = await RecordingBroker.start()
    nats = await connectTo(broker.url)
    rig = await startRig({ nats }, kind)
    await rig.proxy.ready()
  })
  afterAll(async () => {
    await rig.stop()
    await nats.close()
    await broker.stop()
  })
  beforeEach(() => {
    broker.take()
  })

  it.each(tricks)('$name: $status', async ({ name, bytes, status, subjects = [] }) => {
    const client = await RawClient.open(rig.host.port)
    const response = await client.send(bytes)
    expect(response.status).toBe(status)
    for (let more = 1; more < subjects.length; more++) expect((await client.read()).status).toBe(200)
    if (status === 400 && !staysOpen.has(name)) await until('the connection to end', () => client.isClosed)
    expect(broker.take().map(({ subject }) => subject)).toEqual(subjects)
    expect(broker.garbage).toEqual([])
    // What the proxy itself answers is a problem; node's parser and its adapter send a bare status.
    if (response.get('content-type') !== undefined && status !== 200) expectProblem(response)
    client.close()
  })

  it('sends its own words for what node lets through', async () => {
    for (const { name, bytes } of tricks.filter(({ name }) =>
      /Host headers|HTTP\/1\.0|absolute form|fragment|dot segments/.test(name),
    )) {
      const client = await RawClient.open(rig.host.port)
      const response = await client.send(bytes)
      expect([name, response.get('content-type')]).toEqual([name, 'application/problem+json'])
      client.close()
    }
  })
})

function expectProblem(response: RawResponse): void {
  const problem = response.json()
  expect(problem).toMatchObject({
    type: 'about:blank',
    status: response.status,
    requestId: response.get('x-request-id'),
  })
  for (const member of ['title', 'code', 'detail']) expect(typeof problem[member]).toBe('string')
}
