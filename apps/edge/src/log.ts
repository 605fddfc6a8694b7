// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import type { LogConfig } from './config.ts'
import { allowPlainLines } from './log/access-log.ts'
import { prettyLine } from './log/pretty-line.ts'

export type { Logger } from 'pino'

/** Where finished lines go: the process's log sink, or an array in a test. */
export interface LineSink {
  write(line: string): void
}

/** A pino logger that writes to `sink`: JSON lines, or short lines for people. */
export function createLog(config: LogConfig, sink: LineSink): Logger {
  const stream: DestinationStream =
    config.format === 'json' ? sink : { write: (line: string): void => sink.write(prettyLine(line)) }
  const log = pino(
    {
      level: config.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths(config.redact), censor: '[redacted]' },
    },
    stream,
  )
  allowPlainLines(log, stream, config.redact)
  return log
}

// A name is hidden at the top of a line and one level down, where headers and options stand.
function redactedPaths(names: readonly string[]): string[] {
  return names.flatMap((name) => [`["${name}"]`, `*["${name}"]`])
}
