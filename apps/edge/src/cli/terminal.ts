// SPDX-License-Identifier: Apache-2.0

/** Where commands print: results on `out`, everything else on `err`. */
export interface Terminal {
  out(line: string): void
  err(line: string): void
}

/** The standard streams; a reader that has gone away is nobody's problem. */
export function standardTerminal(): Terminal {
  process.stdout.on('error', () => {})
  return {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
  }
}
