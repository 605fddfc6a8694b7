// SPDX-License-Identifier: Apache-2.0
import type { GateResult } from './gate.ts'
import type { Machine } from './machine.ts'
import type { Absolute } from './row.ts'
import type { RowResult, SideResult } from './row-result.ts'
import { median, type Spread } from './statistics.ts'

// More than this beside a run and its figures are of little worth.
const disturbingCores = 0.2

export function machineLine(machine: Machine): string {
  return `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`
}

/** The text for one row: a line per side, the ratios with their gates beside them, and who used the CPU. */
export function rowReport(result: RowResult): string {
  const { subject, reference, others, ratios } = result
  const sides = [subject, reference, ...others]
  const lines = [
    `${result.name}: ${result.title}`,
    ...(result.natsServer === undefined ? [] : [`  nats-server ${result.natsServer}`]),
    ...Object.entries(result.missing).map(([name, reason]) => `  ${name}: not measured, ${reason}`),
    ...table([
      ['', 'rate/s', `CPU s/${thousands(result.cpuPer)}`, 'p50 ms', 'p99 ms', 'operations', 'errors'],
      ...sides.map((side) => sideCells(side, result.cpuPer)),
    ]),
    ...table([
      ratioCells('CPU per operation', ratios.cpu, gateOf(result, 'cpu')),
      ratioCells('rate', ratios.rate, gateOf(result, 'rate')),
      ...(Number.isNaN(ratios.p50.median) ? [] : [ratioCells('p50', ratios.p50, gateOf(result, 'p50'))]),
      ...(Number.isNaN(ratios.p99.median) ? [] : [ratioCells('p99', ratios.p99, gateOf(result, 'p99'))]),
      ...result.gates.filter(isNamed).map(namedCells),
      ['errors', String(result.errors), '', ...gateCells(gateOf(result, 'errors'))],
    ]),
    ...sides.flatMap((side) => processLines(side, result.cpuPer)),
  ]
  return lines.join('\n')
}

function sideCells(side: SideResult, cpuPer: number): string[] {
  return [
    side.name,
    side.ratePerSecond.toFixed(0),
    (side.cpuSecondsPerOperation * cpuPer).toFixed(3),
    milliseconds(side.p50Ms),
    milliseconds(side.p99Ms),
    String(side.operations),
    String(Object.values(side.errors).reduce((sum, count) => sum + count, 0)),
  ]
}

function milliseconds(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(2)
}

function ratioCells(name: string, ratio: Spread, gate: GateResult | undefined): string[] {
  return [`${name}, ratio`, ratio.median.toFixed(3), range(ratio), ...gateCells(gate)]
}

function range({ lowest, highest }: Spread): string {
  return `(${lowest.toFixed(3)} to ${highest.toFixed(3)})`
}

const absoluteTitles: Readonly<Record<string, string>> = {
  memory: 'KiB per operation',
  p99Ms: 'p99, ms',
  lag: 'event loop late by, p99, ms',
} satisfies Record<Absolute, string>

/** A gate between sides of its own, or of another kind than the ratios of subject and reference. */
function isNamed({ measure, between }: GateResult): boolean {
  return between !== undefined || Object.hasOwn(absoluteTitles, measure)
}

function namedCells(gate: GateResult): string[] {
  const title = absoluteTitles[gate.between === undefined ? gate.measure : ''] ?? `${gate.measure}, ${gate.between}`
  if (gate.passed === undefined) return [title, '-', '', ...gateCells(gate)]
  return [title, gate.value.toFixed(3), gate.spread === undefined ? '' : range(gate.spread), ...gateCells(gate)]
}

function gateCells(gate: GateResult | undefined): string[] {
  if (gate === undefined) return []
  return [`gate ${gate.limit}`, gate.passed === undefined ? 'not checked' : gate.passed ? 'ok' : 'FAILED']
}

function gateOf(result: RowResult, measure: GateResult['measure']): GateResult | undefined {
  return result.gates.find((gate) => gate.measure === measure && gate.between === undefined)
}

function processLines(side: SideResult, cpuPer: number): string[] {
  const shares = Object.entries(side.cpuSecondsPerOperationByProcess)
    .filter(([, cpu]) => cpu * cpuPer >= 0.0005)
    .map(([name, cpu]) => `${name} ${(cpu * cpuPer).toFixed(3)}`)
  const lines = [`  CPU s/${thousands(cpuPer)} under ${side.name}: ${shares.join(', ')}`]
  lines.push(...coreLine(side), ...memoryLine(side), ...lagLine(side))
  for (const [what, count] of Object.entries(side.errors)) lines.push(`  ${side.name}: ${count} x ${what}`)
  if (side.otherCores !== undefined && side.otherCores > disturbingCores) {
    lines.push(
      `  disturbed: up to ${side.otherCores.toFixed(1)} cores were busy with something else under ${side.name}`,
    )
  }
  return lines
}

/** How busy each process was: a load that is as busy as what it measures is what is measured. */
function coreLine({ name, rounds }: SideResult): string[] {
  const spent = new Map<string, number>()
  for (const { cpuSeconds } of rounds) {
    for (const [process, seconds] of Object.entries(cpuSeconds)) {
      spent.set(process, (spent.get(process) ?? 0) + seconds)
    }
  }
  const elapsed = rounds.reduce((sum, { load }) => sum + load.seconds, 0)
  const shares = [...spent]
    .filter(([, seconds]) => seconds / elapsed >= 0.005)
    .map(([process, seconds]) => `${process} ${(seconds / elapsed).toFixed(2)}`)
  return shares.length === 0 ? [] : [`  cores busy under ${name}: ${shares.join(', ')}`]
}

function memoryLine({ name, rounds }: SideResult): string[] {
  const each = rounds.map(({ load }) => load.bytesEach).filter((bytes) => bytes !== undefined)
  return each.length === 0 ? [] : [`  KiB per operation of ${name}: ${(median(each) / 1024).toFixed(1)}`]
}

function lagLine({ name, rounds }: SideResult): string[] {
  const lags = rounds.map(({ load }) => load.lagMs).filter((ms) => ms !== undefined)
  return lags.length === 0 ? [] : [`  event loop of ${name} late by, p99: ${median(lags).toFixed(0)} ms`]
}

function thousands(count: number): string {
  return count % 1000 === 0 ? `${count / 1000}k` : String(count)
}

/** Pads the first column to the right and all others to the left. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  return rows.map((row) => {
    const cells = row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
    return `  ${cells.join('  ')}`.trimEnd()
  })
}
