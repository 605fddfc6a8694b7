// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ChannelTable } from './channel-table.ts'

function tableOf(...paths: readonly string[]): ChannelTable<string> {
  const table = new ChannelTable<string>()
  for (const path of paths) table.add(path, path)
  return table
}

describe('ChannelTable', () => {
  it('finds the channel that was added first, however often it is asked', () => {
    const table = tableOf('/chat/*', '/chat/lobby', '/echo', '/:any')
    for (let time = 0; time < 3; time += 1) {
      expect(table.find('/chat/lobby')).toEqual({ channel: '/chat/*', params: {} })
      expect(table.find('/echo')).toEqual({ channel: '/echo', params: {} })
      expect(table.find('/chat')).toEqual({ channel: '/chat/*', params: {} })
      expect(table.find('/other')).toEqual({ channel: '/:any', params: { any: 'other' } })
      expect(table.find('/none/here')).toBeUndefined()
    }
  })

  it('finds a channel whose pattern is a path of another by what that path matches', () => {
    const table = tableOf('/:any', '/echo')
    for (let time = 0; time < 2; time += 1) {
      expect(table.find('/echo')).toEqual({ channel: '/:any', params: { any: 'echo' } })
      expect(table.find('/:any')).toEqual({ channel: '/:any', params: { any: ':any' } })
    }
  })

  it('asks anew once a channel is added', () => {
    const table = tableOf('/echo')
    expect(table.find('/chat')).toBeUndefined()
    expect(table.find('/echo')).toEqual({ channel: '/echo', params: {} })
    table.add('/chat', 'chat')
    expect(table.find('/chat')).toEqual({ channel: 'chat', params: {} })
    expect(table.find('/echo')).toEqual({ channel: '/echo', params: {} })
  })

  it('says so where a path cannot be decoded', () => {
    expect(tableOf('/:any').find('/%zz')).toBe('malformed')
  })

  it('takes a path once, and only one that begins with a slash', () => {
    const table = tableOf('/echo')
    expect(() => table.add('/echo', 'again')).toThrow('channel: there is one at "/echo" already')
    table.add('/chat/:room/*', 'room')
    expect(() => table.add('/chat/:name/*', 'again')).toThrow(
      'channel: there is one at "/chat/:room/*" already, which is the same as "/chat/:name/*"',
    )
    table.add('/chat/:room{[0-9]+}/*', 'other')
    table.add('/chat/:room?/x', 'yet another')
    expect(() => table.add('echo', 'bare')).toThrow('channel: the path "echo" does not begin with "/"')
  })
})
