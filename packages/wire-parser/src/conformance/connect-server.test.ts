// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { decodeConnect } from '../connect-json.ts'
import { RawClient } from './raw-client.test-support.ts'

// Whether a server takes a CONNECT shows in whether it stays, what it reads in its acknowledgement of a verbose client.
const lines = [
  '{}',
  'null',
  ' null ',
  '[]',
  'true',
  '""',
  '1',
  '',
  '{',
  '{}x',
  '{"verbose":false}',
  '{"verbose":true}',
  '{"verbose":null}',
  '{"verbose":false,"verbose":true}',
  '{"verbose":true,"VERBOSE":false}',
  '{"VERBOSE":false,"verbose":true}',
  '{"verbose":false,"verbose":null}',
  '{"verbo\u017fe":false}',
  '{"Verbo\\u017Fe":false}',
  '{"verb\u00f6se":false}',
  '{"verbose ":false}',
  '{"v\\u0065rbose":false}',
  '{"verbose":"false"}',
  '{"verbose":0}',
  '{"verbose":[false]}',
  '{"VERBOSE":1}',
  '{"unknown":false,"verbose":false}',
  '{"unknown":{"verbose":true},"verbose":false}',
  '{"n\u212Aey":1}',
  '{"nkey":""}',
  '{"protocol":0}',
  '{"protocol":-0}',
  '{"protocol":1.0}',
  '{"protocol":1e0}',
  '{"protocol":"1"}',
  '{"protocol":99999999999999999999}',
  '{"import":{"allow":["a"],"deny":null}}',
  '{"import":{"ALLOW":[1]}}',
  '{"export":[]}',
  '{"export":{"deny":[null]}}',
  '{"a":1,}',
  '{"a":01}',
  '{"a":1.}',
  '{"a":-0.0e-0}',
  '{"a":+1}',
  '{"a":"\\ud800"}',
  '{"a":"\\u00"}',
  '{"a":"\t"}',
  '{"a":"\\v"}',
  "{'a':1}",
  '{"a":nul}',
  '\uFEFF{}',
  `{"a":${'['.repeat(1500)}${']'.repeat(1500)}}`,
  `{"a":${'['.repeat(1500)}${']'.repeat(1499)}}`,
]

describe.each(inject('natsServers'))('CONNECT for nats-server $version', (binary) => {
  let server: NatsServer

  beforeAll(async () => {
    server = await startNatsServer({ binary, jetstream: false })
  })

  afterAll(async () => {
    await server.stop()
  })

  it.each(lines)('with %s is read as it does', async (json) => {
    const fields = decodeConnect(Buffer.from(json))
    const client = await RawClient.open(server.port)
    client.send(Buffer.from(`CONNECT ${json}\r\nPING\r\n`))
    await client.pongsOrEnd(1)
    const verbose = fields?.verbose ?? true
    expect(client.output).toEqual(fields === undefined ? [] : verbose ? ['+OK', 'PONG'] : ['PONG'])
    expect(client.closed).toBe(fields === undefined)
    await client.close()
  })

  it('reads every INFO of a live server', async () => {
    const client = await RawClient.open(server.port)
    expect(client.info).toMatchObject({
      version: binary.version,
      port: server.port,
      proto: 1,
      headers: true,
      max_payload: 1_048_576,
    })
    expect(client.info?.client_id).toBeTypeOf('bigint')
    await client.close()
  })
})
