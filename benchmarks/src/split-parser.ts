// SPDX-License-Identifier: Apache-2.0

/** A publish as the obvious parser hands it out. */
export interface SplitMessage {
  readonly verb: string
  readonly subject: string
  readonly replyTo: string | undefined
  readonly payload: Buffer
}

/**
 * Reads PUB the obvious way, for comparison: joins what is left over with the next chunk, makes a string of each line,
 * splits it at its blanks, and makes an object of the words.
 */
export class SplitParser {
  readonly #onMessage: (message: SplitMessage) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(onMessage: (message: SplitMessage) => void) {
    this.#onMessage = onMessage
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (;;) {
      const lineEnd = bytes.indexOf('\r\n', at)
      if (lineEnd < 0) break
      const words = bytes.toString('utf8', at, lineEnd).split(' ')
      const payloadStart = lineEnd + 2
      const payloadEnd = payloadStart + Number(words.at(-1))
      if (payloadEnd + 2 > bytes.length) break
      const [verb = '', subject = '', replyTo] = words
      const payload = bytes.subarray(payloadStart, payloadEnd)
      this.#onMessage({ verb: verb.toUpperCase(), subject, replyTo: words.length > 3 ? replyTo : undefined, payload })
      at = payloadEnd + 2
    }
    this.#rest = bytes.subarray(at)
  }
}
