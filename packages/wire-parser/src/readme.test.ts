// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import * as root from './index.ts'

const importOfRoot = /^import (\{[^}]*\}) from '@nats-edge\/wire-parser'$/m

it('shows examples in the README that give what they say', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map((found) => found[1] ?? '')
  const ours = examples.filter((example) => importOfRoot.test(example) && !example.includes('wire-parser/bus'))
  expect(ours).not.toEqual([])
  let results = 0
  for (const example of ours) {
    const checked = example.replaceAll(/^(.+) \/\/ => (.+)$/gm, 'check(() => $1, $2)')
    const script = checked.replace(importOfRoot, 'const $1 = root')
    // oxlint-disable-next-line typescript/no-implied-eval
    const run = new Function('root', 'check', script) as (exports: typeof root, check: Check) => void
    run(root, (read, expected) => {
      results++
      expect(read()).toEqual(expected)
    })
  }
  expect(results).toBeGreaterThan(5)
})

type Check = (read: () => unknown, expected: unknown) => void
