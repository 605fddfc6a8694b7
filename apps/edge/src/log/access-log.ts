// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino'
import type { LineSink } from '../log.ts'

/** What is said about every request. */
export interface AccessLine {
  readonly surface: string
  readonly route: string
  readonly method: string
  readonly status: number
  readonly ms: number
  readonly requestId: string
  readonly ip: string
  readonly principalId: string | undefined
}

const names = ['surface', 'route', 'method', 'status', 'ms', 'requestId', 'ip', 'principalId'] as const
const maxQuotedRoutes = 1000

/** Loggers whose lines look as `createLog()` says, and where those lines go. */
const plainLogs = new WeakMap<Logger, LineSink>()

/** Notes that access lines may be written by hand; not when one of their fields has to be hidden. */
export function allowPlainLines(log: Logger, stream: LineSink, redact: readonly string[]): void {
  if (!names.some((name) => redact.includes(name))) plainLogs.set(log, stream)
}

/**
 * Writes access lines through `log`: by hand where its lines are ours, since a general logger would spend more on this
 * one line than the rest of the edge on its request; else as any other line.
 */
export function accessLog(log: Logger): (line: AccessLine) => void {
  const stream = plainLogs.get(log)
  if (stream === undefined) return (line) => log.info(line, 'request')
  return (line) => stream.write(plainLine(line))
}

function plainLine(line: AccessLine): string {
  const { surface, route, method, status, ms, requestId, ip, principalId } = line
  const principal = principalId === undefined ? '' : `,"principalId":${JSON.stringify(principalId)}`
  // Request ids are checked at the border, and addresses are the socket's own or numeric.
  return `{"level":"info","time":"${isoTime(Date.now())}","surface":${quoted(surface)},"route":${quoted(route)},"method":${quoted(method)},"status":${status},"ms":${ms},"requestId":"${requestId}","ip":"${ip}"${principal},"msg":"request"}\n`
}

const quotes = new Map<string, string>()

// Surfaces, methods and route templates are few; the table is bounded all the same.
function quoted(text: string): string {
  const known = quotes.get(text)
  if (known !== undefined) return known
  const made = JSON.stringify(text)
  if (quotes.size < maxQuotedRoutes) quotes.set(text, made)
  return made
}

let second = -1
let secondText = ''

function isoTime(now: number): string {
  const current = Math.floor(now / 1000)
  if (current !== second) {
    second = current
    secondText = new Date(current * 1000).toISOString().slice(0, 20)
  }
  return `${secondText}${String(now - current * 1000).padStart(3, '0')}Z`
}
