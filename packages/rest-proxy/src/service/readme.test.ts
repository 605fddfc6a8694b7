// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import * as transport from '@nats-io/transport-node'
import { expect, inject, it } from 'vitest'
import { startNatsServer } from '@nats-edge/embedded-nats'
import * as service from '../service.ts'
import { decodeResponse } from '../envelope/nats-proxy.ts'
import { payload, text } from './service-bench.test-support.ts'

const modules: Readonly<Record<string, unknown>> = {
  '@nats-edge/rest-proxy/service': service,
  '@nats-io/transport-node': transport,
}

it('shows an example in the README that works', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```/gms), (found) => found[1] ?? '')
  const example = examples.find((code) => code.includes('natsService(nats)'))
  if (example === undefined) throw new Error('no example of a service')
  const [binary] = inject('natsServers')
  if (binary === undefined) throw new Error('no nats-server')
  await using server = await startNatsServer({ binary, jetstream: false })
  const script = example
    .replaceAll(/^import (\{.*\}) from '(.*)'$/gm, "const $1 = modules['$2']")
    .replace('nats://127.0.0.1:4222', server.url)
  const lines: unknown[] = []
  // oxlint-disable-next-line typescript/no-implied-eval -- the example is code, and is run as it stands
  const run = new Function('modules', 'console', `return (async () => {${script}\nreturn nats})()`) as Run
  const nats = await run(modules, { log: (line) => void lines.push(line) })
  expect(lines).toEqual(['listening'])
  const reply = await nats.request('GET:.orders.7', payload({ url: '/orders/7' }), { timeout: 5000 })
  const answer = decodeResponse(reply.data)
  expect([answer.headers[1], text(answer.body)]).toEqual(['orders', '{"id":"7"}'])
  await nats.close()
})

type Run = (modules: unknown, console: { log(line: unknown): void }) => Promise<transport.NatsConnection>
