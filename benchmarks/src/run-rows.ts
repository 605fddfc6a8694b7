// SPDX-License-Identifier: Apache-2.0
import { mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CliOptions } from './cli-options.ts'
import { thisMachine } from './machine.ts'
import { machineLine, rowReport } from './report.ts'
import type { Row } from './row.ts'
import type { RowResult } from './row-result.ts'
import { runRow } from './run-row.ts'

// npm runs a workspace's script in its folder; a file is meant relative to where the person is.
const startedIn = process.env['INIT_CWD'] ?? process.cwd()

/** Runs rows one after the other, prints and writes what they found out, and answers the exit code. */
export async function runRows(rows: readonly Row[], options: CliOptions, signal: AbortSignal): Promise<number> {
  const { rounds, seconds } = options
  const machine = thisMachine()
  const profileDirectory = options.profile === undefined ? undefined : resolve(startedIn, options.profile)
  if (profileDirectory !== undefined) await mkdir(profileDirectory, { recursive: true })
  console.log(`${machineLine(machine)}\n${rounds} rounds of ${seconds} s per side`)
  const results: RowResult[] = []
  for (const row of rows) {
    const result = await runRow(row, { rounds, seconds, signal, profileDirectory, onStep: tellStep })
    console.log(`\n${rowReport(result)}`)
    results.push(result)
  }
  if (options.json !== undefined) {
    const written = { date: new Date().toISOString(), machine, rounds, seconds, rows: results }
    await writeFile(resolve(startedIn, options.json), `${JSON.stringify(written, undefined, 2)}\n`)
  }
  return options.gate && !passed(results) ? 1 : 0
}

/** Whether no gate of any row failed; one that cannot be checked here does not. */
export function passed(results: readonly Pick<RowResult, 'gates'>[]): boolean {
  return results.every(({ gates }) => gates.every((gate) => gate.passed !== false))
}

function tellStep(line: string): void {
  console.error(line)
}
