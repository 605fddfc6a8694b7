// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { parseCliOptions, usage } from './cli-options.ts'

describe('parseCliOptions', () => {
  it('runs every row five times three seconds by default', () => {
    expect(parseCliOptions([])).toEqual({
      rows: undefined,
      rounds: 5,
      seconds: 3,
      gate: false,
      json: undefined,
      profile: undefined,
      list: false,
      help: false,
    })
  })

  it('takes every option', () => {
    const args = '--rows a,b --rounds 2 --seconds 0.5 --gate --json out.json --profile prof --list -h'.split(' ')
    expect(parseCliOptions(args)).toEqual({
      rows: ['a', 'b'],
      rounds: 2,
      seconds: 0.5,
      gate: true,
      json: 'out.json',
      profile: 'prof',
      list: true,
      help: true,
    })
  })

  it('takes rows without a flag too', () => {
    expect(parseCliOptions(['wire-tcp', 'rest-get,parser']).rows).toEqual(['wire-tcp', 'rest-get', 'parser'])
  })

  it.each([
    { args: ['--rounds', '0'], says: '--rounds 0' },
    { args: ['--rounds', '1.5'], says: 'whole number' },
    { args: ['--rounds', '1001'], says: 'at most 1000' },
    { args: ['--rounds', 'many'], says: '--rounds many' },
    { args: ['--seconds', ''], says: '--seconds' },
    { args: ['--seconds=-1'], says: 'above 0' },
    { args: ['--seconds', '601'], says: 'at most 600' },
    { args: ['--rows', ' , '], says: '--list' },
    { args: ['--round', '3'], says: '--round' },
  ])('refuses $args', ({ args, says }) => {
    expect(() => parseCliOptions(args)).toThrow(says)
  })

  it('explains every option it takes', () => {
    for (const flag of ['rows', 'rounds', 'seconds', 'gate', 'json', 'profile', 'list'])
      expect(usage).toContain(`--${flag}`)
  })
})
