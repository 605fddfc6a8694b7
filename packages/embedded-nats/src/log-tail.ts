// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream'

const keptLines = 20
const maxLineLength = 16_384

/** Splits a broker's output into lines, hands each one on and remembers the last 20. */
export class LogTail {
  readonly #onLine: ((line: string) => void) | undefined
  readonly #lines: string[] = []

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine
  }

  /** The remembered lines, oldest first. */
  get lines(): readonly string[] {
    return [...this.#lines]
  }

  /** Reads a stream to its end; streams may be read at the same time, each keeps its own unfinished line. */
  read(stream: Readable): void {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#add(line)
      // A line without an end must not grow without bound.
      if (rest.length > maxLineLength) {
        this.#add(rest)
        rest = ''
      }
    })
    stream.on('end', () => {
      if (rest !== '') this.#add(rest)
    })
    // The pipe of a killed process may end in an error instead of an end; the exit says what happened.
    stream.on('error', () => {})
  }

  #add(line: string): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    this.#lines.push(text)
    if (this.#lines.length > keptLines) this.#lines.shift()
    this.#onLine?.(text)
  }
}
