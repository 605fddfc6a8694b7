// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { type SplitMessage, SplitParser } from './split-parser.ts'

describe('SplitParser', () => {
  it('finds the same messages in any chunks', () => {
    const bytes = Buffer.from('PUB a.b 5\r\nhello\r\npub c r 0\r\n\r\nPUB a.b 2\r\nhi\r\n')
    for (let cut = 0; cut <= bytes.length; cut++) {
      const found: (readonly string[])[] = []
      const parser = new SplitParser(({ verb, subject, replyTo, payload }: SplitMessage) => {
        found.push([verb, subject, replyTo ?? '-', payload.toString()])
      })
      parser.push(bytes.subarray(0, cut))
      parser.push(bytes.subarray(cut))
      expect(found).toEqual([
        ['PUB', 'a.b', '-', 'hello'],
        ['PUB', 'c', 'r', ''],
        ['PUB', 'a.b', '-', 'hi'],
      ])
    }
  })
})
