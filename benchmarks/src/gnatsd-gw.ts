// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Bench } from './bench.ts'
import { type BenchProcess, cpuSecondsOf, memoryBytesOf } from './bench-process.ts'
import { buildGnatsdGw } from './gnatsd-gw-build.ts'
import { parsePorts, type WireUrls, wireUrls } from './wire-urls.ts'

export interface GnatsdGw extends WireUrls {
  readonly process: BenchProcess
}

const name = 'gnatsd-gw'
const readyMs = 10_000

/** Starts the reference gateway in front of a server; rejects with the reason where that cannot be. */
export async function startGnatsdGw(bench: Bench, natsUrl: string): Promise<GnatsdGw> {
  const program = await buildGnatsdGw((line) => bench.tell(line))
  // It ends with its standard input, so a run that is killed leaves nothing behind.
  const child = spawn(program, [new URL(natsUrl).host], { stdio: ['pipe', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const { pid } = child
  if (pid === undefined) throw new Error(`${program} cannot be started`)
  const process: BenchProcess = {
    name,
    cpuSeconds: () => cpuSecondsOf(pid),
    memoryBytes: () => memoryBytesOf(pid),
    stop: async () => {
      child.stdin.end()
      await exited
    },
  }
  bench.add(process)
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(readyMs) })) as [string]
  return { process, ...wireUrls(parsePorts(JSON.parse(line))) }
}
