// SPDX-License-Identifier: Apache-2.0
import { type CliOptions, parseCliOptions, usage } from './cli-options.ts'
import type { Row } from './row.ts'
import { loadRows, selectRows } from './row-list.ts'
import { runRows } from './run-rows.ts'

interface Plan {
  readonly options: CliOptions
  readonly rows: readonly Row[]
}

/** What was asked for; undefined, with a word about it, if that cannot be. */
async function readPlan(): Promise<Plan | undefined> {
  const known = await loadRows()
  try {
    const options = parseCliOptions(process.argv.slice(2))
    return { options, rows: selectRows(known, options.rows) }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return undefined
  }
}

async function run({ options, rows }: Plan): Promise<number> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  try {
    return await runRows(rows, options, interrupted.signal)
  } catch (error) {
    if (interrupted.signal.aborted) return 130
    console.error(error)
    return 1
  }
}

async function main(): Promise<number> {
  const plan = await readPlan()
  if (plan === undefined) return 2
  if (plan.options.help) console.log(usage)
  else if (plan.options.list) for (const { name, title } of plan.rows) console.log(`${name}: ${title}`)
  else return run(plan)
  return 0
}

process.exitCode = await main()
