// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseAnswer, parseCommand } from './command-channel.ts'

const foreign = [undefined, null, 'cpu', 7, {}, { id: '1', command: 'cpu' }, { id: 1 }, { cmd: 'NODE_HANDLE' }]

describe('parseCommand', () => {
  it('takes a command', () => {
    expect(parseCommand({ id: 1, command: 'run', params: { a: 1 } })).toEqual({
      id: 1,
      command: 'run',
      params: { a: 1 },
    })
  })

  it.each(foreign)('ignores %o', (message) => {
    expect(parseCommand(message)).toBeUndefined()
  })
})

describe('parseAnswer', () => {
  it.each([
    { type: 'ready', value: { port: 1 } },
    { type: 'result', id: 3, value: 0.5 },
    { type: 'failure', id: 4, text: 'no' },
  ])('takes $type', (answer) => {
    expect(parseAnswer(answer)).toEqual(answer)
  })

  it.each([...foreign, { type: 'other', id: 1 }, { type: 'result' }])('ignores %o', (message) => {
    expect(parseAnswer(message)).toBeUndefined()
  })
})
