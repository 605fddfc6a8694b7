// SPDX-License-Identifier: Apache-2.0
import { appendFile, cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench.ts'
import type { BenchProcess } from './bench-process.ts'
import { startGoProgram } from './go-program.ts'
import { parsePorts, type WireUrls, wireUrls } from './wire-urls.ts'

export interface GnatsdGw extends WireUrls {
  readonly process: BenchProcess
}

/** Starts the reference gateway in front of a server; rejects with the reason where that cannot be. */
export async function startGnatsdGw(bench: Bench, natsUrl: string): Promise<GnatsdGw> {
  const { process, value } = await startGoProgram(bench, 'gnatsd-gw', [new URL(natsUrl).host], useSource)
  return { process, ...wireUrls(parsePorts(value)) }
}

/** Takes the module from the folder that GNATSD_GW_SOURCE names, where the proxy does not have it; it has no go.mod. */
async function useSource(directory: string): Promise<void> {
  const source = process.env['GNATSD_GW_SOURCE'] ?? ''
  if (source === '') return
  const copy = join(directory, 'source')
  await cp(join(source, 'gnatsdgw'), join(copy, 'gnatsdgw'), { recursive: true })
  const name = 'github.com/antmanler/gnatsd-gw'
  await writeFile(join(copy, 'go.mod'), `module ${name}\n\ngo 1.21\n\nrequire github.com/gorilla/websocket v1.5.3\n`)
  await appendFile(join(directory, 'go.mod'), `\nreplace ${name} => ./source\n`)
}
