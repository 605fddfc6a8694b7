// SPDX-License-Identifier: Apache-2.0

const LF = 10
const M = 77
const longestLine = 65_536

export interface DeliveryReaderSink {
  /** Called once for all deliveries that a chunk made whole. */
  deliveries(count: number): void
  /** Any other operation, without its line end. */
  line(text: string): void
}

/** Counts deliveries, all equally long, by their length; only the first byte of each is looked at. */
export class DeliveryReader {
  readonly #bytesEach: number
  readonly #sink: DeliveryReaderSink
  #left = 0
  #line = ''

  /** `bytesEach` is 0 where no delivery may come. */
  constructor(bytesEach: number, sink: DeliveryReaderSink) {
    this.#bytesEach = bytesEach
    this.#sink = sink
  }

  push(chunk: Buffer): void {
    let at = 0
    let whole = 0
    while (at < chunk.length) {
      if (this.#left === 0) {
        if (chunk[at] !== M || this.#line !== '') {
          at = this.#readLine(chunk, at)
          continue
        }
        if (this.#bytesEach === 0) throw new Error('a delivery came where none was subscribed')
        this.#left = this.#bytesEach
      }
      const read = Math.min(this.#left, chunk.length - at)
      at += read
      this.#left -= read
      if (this.#left === 0) whole++
    }
    if (whole > 0) this.#sink.deliveries(whole)
  }

  #readLine(chunk: Buffer, start: number): number {
    const lf = chunk.indexOf(LF, start)
    const end = lf < 0 ? chunk.length : lf + 1
    this.#line += chunk.toString('latin1', start, end)
    // A delivery of another length than expected leaves payload to be read as a line.
    if (this.#line.length > longestLine) throw new Error('what came is no line: are deliveries as long as expected?')
    if (lf >= 0) {
      const text = this.#line.trimEnd()
      this.#line = ''
      this.#sink.line(text)
    }
    return end
  }
}
