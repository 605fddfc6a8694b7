// SPDX-License-Identifier: Apache-2.0
import { fstatSync, write, writeSync } from 'node:fs'
import type { LineSink } from '../log.ts'

const maxQueuedBytes = 1024 * 1024
const gatherMs = 20

/** Hands bytes to the operating system; calls back when they are out or lost. */
export type WriteBytes = (bytes: Buffer, done: (error: Error | undefined) => void) => void

/**
 * Writes log lines without ever waiting for the reader: lines leave many in one write, at most 1 MiB waits,
 * and what a blocked pipe, a closed pipe or a full disk does not take is dropped and counted.
 */
export class LogSink implements LineSink {
  readonly #write: WriteBytes
  readonly #gatherMs: number
  #lines: string[] = []
  #lineBytes = 0
  #writing = 0
  #scheduled = false
  #idle: (() => void)[] = []
  /** Lines nobody will read. */
  dropped = 0

  /** Lines of `gatherMs` leave together; 0: those of one turn of the event loop. */
  constructor(write: WriteBytes, gatherMs = 0) {
    this.#write = write
    this.#gatherMs = gatherMs
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#lineBytes + this.#writing + bytes > maxQueuedBytes) {
      this.dropped++
      return
    }
    this.#lines.push(line)
    this.#lineBytes += bytes
    if (!this.#scheduled && this.#writing === 0) {
      this.#scheduled = true
      if (this.#gatherMs > 0) setTimeout(() => this.#flush(), this.#gatherMs)
      else setImmediate(() => this.#flush())
    }
  }

  /** Resolves when nothing waits any more, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void> {
    if (this.#lines.length === 0 && this.#writing === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #flush(): void {
    this.#scheduled = false
    const count = this.#lines.length
    const bytes = Buffer.from(this.#lines.join(''))
    this.#lines = []
    this.#lineBytes = 0
    this.#writing = bytes.length
    this.#write(bytes, (error) => {
      this.#writing = 0
      if (error !== undefined) this.dropped += count
      if (this.#lines.length > 0) this.#flush()
      else for (const done of this.#idle.splice(0)) done()
    })
  }
}

let ofProcess: LogSink | undefined

/** The one sink of this process: standard error, whatever it is. */
export function standardErrorSink(): LogSink {
  // A write to a file ends; a write to a blocked pipe would hold one of Node's threads, and the exit, for ever.
  ofProcess ??= new LogSink(fstatSync(2).isFile() ? writeFile : streamWriter(), gatherMs)
  return ofProcess
}

/** Writes a line at once, for a process that is about to end. */
export function writeLastLine(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // Nobody reads any more.
  }
}

function writeFile(bytes: Buffer, done: (error: Error | undefined) => void): void {
  write(2, bytes, 0, bytes.length, null, (error, written) => {
    if (error !== null) done(error)
    else if (written === bytes.length) done(undefined)
    else writeFile(bytes.subarray(written), done)
  })
}

function streamWriter(): WriteBytes {
  const stream = process.stderr
  let failed: Error | undefined
  let waiting: ((error: Error | undefined) => void) | undefined
  // A closed pipe stays closed: every later line is dropped without another try.
  stream.on('error', (error) => {
    failed = error
    const done = waiting
    waiting = undefined
    done?.(error)
  })
  return (bytes, done) => {
    if (failed !== undefined) {
      setImmediate(done, failed)
      return
    }
    waiting = done
    stream.write(bytes, (error) => {
      if (waiting !== done) return
      waiting = undefined
      done(error ?? undefined)
    })
  }
}
