// SPDX-License-Identifier: Apache-2.0
import type { Bench } from './bench.ts'
import type { BenchProcess } from './bench-process.ts'
import { startGoProgram } from './go-program.ts'
import { parsePorts, type WireUrls, wireUrls } from './wire-urls.ts'

export interface GnatsdGw extends WireUrls {
  readonly process: BenchProcess
}

/** Starts the reference gateway in front of a server; rejects with the reason where that cannot be. */
export async function startGnatsdGw(bench: Bench, natsUrl: string): Promise<GnatsdGw> {
  const { process, value } = await startGoProgram(bench, 'gnatsd-gw', [new URL(natsUrl).host])
  return { process, ...wireUrls(parsePorts(value)) }
}
