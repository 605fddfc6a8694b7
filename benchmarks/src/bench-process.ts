// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'

/** A process taking part in a run, whose CPU time is known. */
export interface BenchProcess {
  readonly name: string
  /** User and system time so far; undefined where the platform does not tell. */
  cpuSeconds(): Promise<number | undefined>
  /** Memory it has from the system, after what it does not need was given up; undefined where nobody tells. */
  memoryBytes?(): Promise<number | undefined>
  /** How late its event loop was since the last question, p99 in ms; undefined where nobody tells. */
  loopLagMs?(): Promise<number>
  stop(): Promise<void>
}

/** The fixed unit of /proc/PID/stat on Linux (USER_HZ). */
const ticksPerSecond = 100

/** Reads the CPU time of any process from Linux' /proc, 10 ms fine; undefined on other platforms. */
export async function cpuSecondsOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  return stat === undefined ? undefined : cpuSecondsFromStat(stat)
}

/** utime + stime of a stat line; the name before them, in parentheses, may hold anything. */
export function cpuSecondsFromStat(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  return Number.isFinite(ticks) ? ticks / ticksPerSecond : undefined
}

/** Reads the resident memory of any process from Linux' /proc; undefined on other platforms. */
export async function memoryBytesOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  return kib === undefined ? undefined : Number(kib) * 1024
}
