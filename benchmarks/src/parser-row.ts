// SPDX-License-Identifier: Apache-2.0
import type { Bench } from './bench.ts'
import { parseLoadResult } from './load-result.ts'
import type { Side, Sides } from './row.ts'

/** Our parser and one that splits lines, each looking at the payload or the subject of every message. */
export async function startParserSides(bench: Bench, what: 'payload' | 'subject'): Promise<Sides> {
  return {
    subject: await reader(bench, 'Parser', 'parser', what),
    reference: await reader(bench, 'split-and-object parser', 'split', what),
  }
}

async function reader(bench: Bench, name: string, how: string, what: string): Promise<Side> {
  const { process } = await bench.start(name, 'message-reader', [how, what])
  return {
    name,
    measured: process,
    run: async (durationMs) => parseLoadResult(await process.call('run', { durationMs }, durationMs + 30_000)),
  }
}
