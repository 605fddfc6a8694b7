// SPDX-License-Identifier: Apache-2.0
import type { Bench } from '../bench.ts'
import { parseLoadResult } from '../load-result.ts'
import type { Row, Side } from '../row.ts'

const subject = 'bench.echo'
const outstanding = 64

export const row: Row = {
  name: 'bus-request',
  title: `128 B request/reply, ${outstanding} outstanding: Bus.request() over the official client against its request()`,
  cpuPer: 100_000,
  gates: [
    { measure: 'cpu', atMost: 0.4 },
    { measure: 'errors', atMost: 0 },
  ],
  async start(bench) {
    const { url } = await bench.broker()
    await bench.start('responder', 'echo-responder', [url, subject])
    return {
      subject: await requester(bench, 'Bus.request()', ['bus', url, subject]),
      reference: await requester(bench, 'nats.request()', ['client', url, subject]),
    }
  },
}

async function requester(bench: Bench, name: string, args: readonly string[]): Promise<Side> {
  const { process } = await bench.start(name, 'requester', args)
  return {
    name,
    measured: process,
    run: async (durationMs) =>
      parseLoadResult(await process.call('run', { outstanding, durationMs }, durationMs + 30_000)),
  }
}
