// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import * as toolkit from '../index.ts'
import * as testing from '../testing.ts'

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')

it('README shows a test that prints what it says', async () => {
  const section = readme.slice(readme.indexOf('## Testing\n'))
  const example = /^```ts\n(.*?)^```/ms.exec(section)?.[1] ?? ''
  const script = example.replaceAll(/^import (\{.*\}) from '.*'$/gm, 'const $1 = modules')
  const printed: unknown[] = []
  // oxlint-disable-next-line typescript/no-implied-eval
  const run = new Function('modules', 'console', `return (async () => {${script}})()`) as (
    modules: object,
    console: { log(value: unknown): void },
  ) => Promise<void>
  await run({ ...toolkit, ...testing }, { log: (value) => printed.push(value) })
  const promised = [...example.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, value]) => value)
  expect(printed.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))).toEqual(promised)
  expect(promised).toEqual(['hello', '{}'])
})
