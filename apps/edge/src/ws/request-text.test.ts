// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import { jsonCodec, wsGateway, type Middleware } from '@nats-edge/ws-toolkit'
import { testGateway } from '@nats-edge/ws-toolkit/testing'
import { describe, expect, it } from 'vitest'
import { clientText, requestText } from './request-text.ts'

const ada: Principal = {
  id: 'jwt:ada/1',
  name: 'ada',
  claims: { tenant: 'a&b', 'https://x.y/z': 'url', deep: { role: 'r' }, list: ['a', 'b'] },
  permissions: compilePermissions({}),
}
const client = { params: { room: 'a/b', '..': 'x' }, principal: ada, ip: '192.0.2.1' }

describe('clientText', () => {
  it.each([
    ['plain', 'plain'],
    ['{room}', 'a/b'],
    ['{{id}}:{{name}}@{{ip}}', 'jwt:ada/1:ada@192.0.2.1'],
    ['{{claim.tenant}}-{{claim.deep.role}}', 'a&b-r'],
    ['{{claim.https://x.y/z}}', 'url'],
  ])('fills %s', (source, expected) => {
    expect(clientText(source)(client)).toBe(expected)
  })

  it('encodes every value, and nothing that was written out', () => {
    const source = '/{room}/{{id}}?t={{claim.tenant}}&u={{claim.https://x.y/z}}'
    expect(clientText(source, encodeURIComponent)(client)).toBe('/a%2Fb/jwt%3Aada%2F1?t=a%26b&u=url')
  })

  it.each([
    ['{other}', 'invalid_params'],
    ['{toString}', 'invalid_params'],
    ['{{claim.none}}', 'invalid_params'],
    ['{{claim.list}}', 'invalid_params'],
  ])('throws where %s has no value', (source, code) => {
    expect(() => clientText(source)(client)).toThrow(expect.objectContaining({ code }))
  })

  it('asks strangers for a login where the principal is needed, and only there', () => {
    const stranger = { ...client, principal: undefined }
    expect(() => clientText('{{id}}')(stranger)).toThrow(expect.objectContaining({ code: 'unauthorized' }))
    expect(clientText('{{ip}}')(stranger)).toBe('192.0.2.1')
  })

  it('refuses a template that is none', () => {
    expect(() => clientText('{room')).toThrow(TypeError)
  })
})

describe('requestText', () => {
  it('takes values of the path, the key, the wildcards, and then of the message', async () => {
    const gateway = wsGateway()
    const text = requestText('{room}.{match}.{n}.{text}.{key*}', encodeURIComponent)
    const answering: Middleware = (request) => text(request)
    gateway
      .channel('/chat/:room', { codec: jsonCodec() })
      .route('say.*', (request) => answering(request, () => undefined))
    const test = testGateway(gateway)
    const connection = await test.connect('/chat/a%20b')
    connection.send('{"type":"say.now","id":1,"data":{"room":"mine","n":7,"text":"x/y"}}')
    expect(JSON.parse(String(await connection.next()))).toMatchObject({ data: 'a%20b.now.7.x%2Fy.say.now' })
    connection.send('{"type":"say.now","id":2,"data":{"n":7}}')
    expect(JSON.parse(String(await connection.next()))).toMatchObject({ error: { code: 'invalid_params' } })
    await gateway.close({ drainMs: 0 })
  })
})
