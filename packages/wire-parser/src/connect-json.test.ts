// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf } from './conformance/recording.test-support.ts'
import { connectDefaults, connectFault, decodeConnect, decodeInfo } from './connect-json.ts'

/** JSON as the bytes of UTF-8. */
const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))

function nested(depth: number): Uint8Array {
  return bytesOf(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
}

describe('decodeConnect', () => {
  it('reads every field', () => {
    const fields = {
      verbose: false,
      pedantic: true,
      echo: false,
      tls_required: true,
      nkey: 'UA',
      jwt: 'ey',
      sig: 'sig',
      auth_token: 't',
      user: 'u',
      pass: 'p',
      name: 'n',
      lang: 'js',
      version: '1.2.3',
      protocol: 1,
      account: 'a',
      new_account: false,
      headers: true,
      no_responders: true,
      proxy_sig: 'ps',
      remote_account: 'r',
      import: { allow: ['a.>'], deny: ['b'] },
      export: { allow: [] },
    }
    expect(decodeConnect(utf8(JSON.stringify(fields)))).toEqual(fields)
    expect(decodeConnect(utf8(JSON.stringify(fields, undefined, '\t \n')))).toEqual(fields)
  })

  it.each([
    ['{}', {}],
    [' \t{ } ', {}],
    ['null', {}],
    ['{"unknown":{"user":"x"},"lang":"js"}', { lang: 'js' }],
    ['{"USER":"a"}', { user: 'a' }],
    ['{"u\u017fer":"a"}', { user: 'a' }],
    ['{"n\u212Aey":"a"}', { nkey: 'a' }],
    ['{"\\u0075ser":"a"}', { user: 'a' }],
    ['{"\\u017Fig":"a"}', { sig: 'a' }],
    ['{"user":"a","user":"b"}', { user: 'b' }],
    ['{"user":"a","USER":"b"}', { user: 'b' }],
    ['{"USER":"b","user":"a"}', { user: 'a' }],
    ['{"user":"a","User":null}', { user: 'a' }],
    ['{"user":null,"verbose":null,"protocol":null,"import":null}', {}],
    ['{"protocol":-0}', { protocol: 0 }],
    ['{"protocol":9223372036854775807}', { protocol: 2 ** 63 }],
    ['{"protocol":-9223372036854775808}', { protocol: -(2 ** 63) }],
    ['{"import":{"ALLOW":["a",null],"x":[1]}}', { import: { allow: ['a', ''] } }],
    ['{"\u00fcser":"a","us\u00e9r":"b"}', {}],
    ['{"__proto__":"a","constructor":"b","toString":"c"}', {}],
  ])('reads %s as the server does', (json, fields) => {
    expect(decodeConnect(utf8(json))).toEqual(fields)
  })

  it.each([
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['"\\u00e9\\ud83d\\uDE00"', 'é😀'],
    ['"é😀"', 'é😀'],
    ['"\\ud83d"', '\uFFFD'],
    ['"\\ude00x\\ud83d\\ud83d\\ude00"', '\uFFFDx\uFFFD😀'],
    ['"\\ud83d\\u0041"', '\uFFFDA'],
    ['"\\u0000"', '\u0000'],
    ['"\u2028\u007f"', '\u2028\u007f'],
  ])('reads the string %s', (json, text) => {
    expect(decodeConnect(utf8(`{"pass":${json}}`))).toEqual({ pass: text })
  })

  it.each([
    ['\u00ff', '\uFFFD'],
    ['\u00c3', '\uFFFD'],
    ['\u00c3\u00a9', 'é'],
    ['\u00ed\u00a0\u0080', '\uFFFD\uFFFD\uFFFD'],
    ['\u00e9abc', '\uFFFDabc'],
  ])('reads bytes that are no UTF-8 as Go does', (bytes, text) => {
    expect(decodeConnect(bytesOf(`{"pass":"${bytes}"}`))).toEqual({ pass: text })
  })

  it.each([
    '',
    ' ',
    '\r',
    '{',
    '}',
    '{}x',
    '{}{}',
    '[]',
    '"a"',
    'true',
    '1',
    'nul',
    'nullx',
    '\uFEFF{}',
    "{'a':1}",
    '{a:1}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a"::1}',
    '{"a":1]',
    '{"a":[1}',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":{"b"}}',
    '{"a":{"b":1,}}',
    '{"a":tru}',
    '{"a":True}',
    '{"a":NaN}',
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":1e}',
    '{"a":1e+}',
    '{"a":-}',
    '{"a":0x1}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\\u12g4"}',
    '{"a":"\t"}',
    '{"a":"\u0000"}',
    '{"a":"}',
    '{"a":"\\"}',
    '// {}',
    '{"a":1}//',
  ])('refuses %j, which is no JSON of an object', (json) => {
    expect(decodeConnect(utf8(json))).toBeUndefined()
  })

  it.each([
    '0',
    '-0',
    '0.5',
    '-1.25e+10',
    '1E5',
    '10',
    '1e-2',
    '[]',
    '[[],{}]',
    '{"b":[{"c":null}]}',
    'true',
    '""',
    '[1,"a",false]',
  ])('lets %s be the value of a field it does not know', (value) => {
    expect(decodeConnect(utf8(`{"a" : ${value} ,"user":"u"}`))).toEqual({ user: 'u' })
  })

  it.each([
    '{"verbose":"false"}',
    '{"verbose":0}',
    '{"verbose":[]}',
    '{"user":1}',
    '{"user":["a"]}',
    '{"user":{}}',
    '{"USER":true}',
    '{"user":"a","uſer":1}',
    '{"protocol":"1"}',
    '{"protocol":1.0}',
    '{"protocol":1e0}',
    '{"protocol":true}',
    '{"protocol":9223372036854775808}',
    '{"protocol":-9223372036854775809}',
    '{"protocol":1000000000000000000000000000}',
    '{"import":[]}',
    '{"import":"a"}',
    '{"import":{"allow":"a"}}',
    '{"import":{"allow":[1]}}',
    '{"export":{"deny":{}}}',
  ])('refuses %s, where a known field has another type', (json) => {
    expect(decodeConnect(utf8(json))).toBeUndefined()
  })

  it('takes nesting as deep as Go does and no deeper, without recursion', () => {
    expect(decodeConnect(nested(9999))).toEqual({})
    expect(decodeConnect(nested(10_000))).toBeUndefined()
    expect(decodeConnect(bytesOf(`{"a":${'{"b":'.repeat(60_000)}`))).toBeUndefined()
  })

  it('merges by fields that are left out', () => {
    const first = { ...connectDefaults, ...decodeConnect(utf8('{"verbose":false,"user":"a"}')) }
    expect({ ...first, ...decodeConnect(utf8('{"user":"b","verbose":null}')) }).toEqual({
      verbose: false,
      pedantic: true,
      echo: true,
      user: 'b',
    })
  })
})

describe('connectFault', () => {
  it.each([
    ['{}', undefined],
    ['null', undefined],
    ['{"user":"a","pass":"b","Unknown":1,"unknown":2,"x":3,"x":4}', undefined],
    ['{"\\u0075ser":"a"}', undefined],
    ['{"USER":"a"}', 'folded_key'],
    ['{"u\u017fer":"a"}', 'folded_key'],
    ['{"Headers":null}', 'folded_key'],
    ['{"user":"a","user":"a"}', 'duplicate_key'],
    ['{"user":"a","\\u0075ser":"b"}', 'duplicate_key'],
    ['{"user":1}', 'malformed'],
    ['[]', 'malformed'],
    ['', 'malformed'],
  ])('finds in %s: %s', (json, fault) => {
    expect(connectFault(utf8(json))).toBe(fault)
  })
})

describe('decodeInfo', () => {
  it('reads every field a client is told', () => {
    const fields = {
      server_id: 'NA',
      server_name: 'n',
      version: '2.15.2',
      proto: 1,
      git_commit: 'c',
      go: 'go1.26',
      host: '0.0.0.0',
      port: 4222,
      headers: true,
      auth_required: true,
      tls_required: true,
      tls_verify: true,
      tls_available: true,
      max_payload: 1_048_576,
      jetstream: true,
      ip: '1.2.3.4',
      client_ip: '127.0.0.1',
      nonce: 'abc',
      cluster: 'c',
      cluster_dynamic: true,
      domain: 'd',
      connect_urls: ['a:1', 'b:2'],
      ws_connect_urls: [],
      ldm: true,
      compression: 's2',
      connect_info: true,
      remote_account: '$G',
      acc_is_sys: false,
      api_lvl: 3,
      xkey: 'X',
    }
    expect(decodeInfo(utf8(JSON.stringify(fields)))).toEqual(fields)
  })

  it('keeps a client_id beyond 2^53', () => {
    expect(decodeInfo(utf8('{"client_id":18446744073709551615}'))).toEqual({ client_id: 18_446_744_073_709_551_615n })
    expect(decodeInfo(utf8('{"client_id":5}'))).toEqual({ client_id: 5n })
  })

  it.each([
    '{"client_id":-1}',
    '{"client_id":18446744073709551616}',
    '{"client_id":1.0}',
    '{"connect_urls":"a"}',
    '{"connect_urls":[1]}',
    '{"port":"4222"}',
  ])('refuses %s', (json) => {
    expect(decodeInfo(utf8(json))).toBeUndefined()
  })
})
