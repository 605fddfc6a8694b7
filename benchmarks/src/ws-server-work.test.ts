// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseWsTarget } from './ws-load-command.ts'
import { parseServerWork } from './ws-server-work.ts'

describe('parseServerWork', () => {
  it('reads what a row has written', () => {
    const work = { task: { kind: 'echo' }, binding: 'mount', codec: 'raw' }
    expect(parseServerWork(JSON.stringify(work))).toEqual(work)
  })

  it.each([undefined, 'null', '{}', '{"task":{"kind":"sleep"}}'])('refuses %s', (text) => {
    expect(() => parseServerWork(text)).toThrow('a server of the WebSocket rows cannot do')
  })
})

describe('parseWsTarget', () => {
  it('reads where to connect', () => {
    expect(parseWsTarget('{"host":"127.0.0.1","port":80,"path":"/"}')).toMatchObject({ port: 80 })
  })

  it.each([undefined, '{"port":"80"}'])('refuses %s', (text) => {
    expect(() => parseWsTarget(text)).toThrow('a WebSocket load cannot connect to')
  })
})
