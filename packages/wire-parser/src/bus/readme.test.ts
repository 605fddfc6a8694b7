// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import * as transport from '@nats-io/transport-node'
import { expect, inject, it } from 'vitest'
import * as bus from '../bus.ts'
import * as root from '../index.ts'
import { eventually, startBroker } from './broker.test-support.ts'

const modules: Readonly<Record<string, unknown>> = {
  '@nats-edge/wire-parser': root,
  '@nats-edge/wire-parser/bus': bus,
  '@nats-io/transport-node': transport,
}

it('shows an example in the README that works', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map((found) => found[1] ?? '')
  const example = examples.find((text) => text.includes("'@nats-edge/wire-parser/bus'"))
  if (example === undefined) throw new Error('no example with the bus')
  const [binary] = inject('natsServers')
  if (binary === undefined) throw new Error('no nats-server')
  const server = await startBroker(binary)
  const script = example
    .replaceAll(/^import (\{.*\}) from '(.*)'$/gm, "const $1 = modules['$2']")
    .replace('nats://127.0.0.1:4222', server.url)
  const lines: unknown[] = []
  // oxlint-disable-next-line typescript/no-implied-eval
  const run = new Function('modules', 'console', `return (async () => {${script}})()`) as Run
  await run(modules, { log: (line) => void lines.push(line) })
  await eventually(() => lines.length === 2)
  expect(lines).toEqual(['hello ada', 'hello bob'])
})

type Run = (modules: unknown, console: { log(line: unknown): void }) => Promise<void>
