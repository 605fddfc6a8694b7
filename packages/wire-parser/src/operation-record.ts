// SPDX-License-Identifier: Apache-2.0
import { type Operation, type OperationView, Verb, type VerbCode, verbName } from './operation.ts'
import { isUtf8 } from './utf8.ts'
import { readRepeated } from './wire-text.ts'

const nothing = new Uint8Array(0)

/** The view a parser fills in again for each operation. */
export class OperationRecord implements OperationView {
  verb: VerbCode = Verb.OK
  bytes: Uint8Array = nothing
  start = 0
  lineEnd = 0
  bareCr = false
  streamed = false
  subjectStart = 0
  subjectEnd = 0
  replyStart = 0
  replyEnd = 0
  queueStart = 0
  queueEnd = 0
  sidStart = 0
  sidEnd = 0
  textStart = 0
  textEnd = 0
  headersStart = 0
  payloadStart = 0
  payloadEnd = 0
  headerBytes = -1
  totalBytes = 0
  max = 0

  /** Begins an operation with another verb; parts it does not have are empty. */
  reset(verb: VerbCode): void {
    this.verb = verb
    this.subjectStart = this.subjectEnd = 0
    this.replyStart = this.replyEnd = 0
    this.queueStart = this.queueEnd = 0
    this.sidStart = this.sidEnd = 0
    this.textStart = this.textEnd = 0
    this.headersStart = this.payloadStart = this.payloadEnd = 0
    this.headerBytes = -1
    this.totalBytes = this.max = 0
    this.bareCr = false
  }

  /** Makes every offset count in `bytes`, where the operation begins at `start`. */
  move(bytes: Uint8Array, start: number): void {
    const by = start - this.start
    this.bytes = bytes
    this.start = start
    this.lineEnd += by
    this.subjectStart += by
    this.subjectEnd += by
    this.replyStart += by
    this.replyEnd += by
    this.queueStart += by
    this.queueEnd += by
    this.sidStart += by
    this.sidEnd += by
    this.textStart += by
    this.textEnd += by
    this.headersStart += by
    this.payloadStart += by
    this.payloadEnd += by
  }

  get subject(): string {
    return readRepeated(this.bytes, this.subjectStart, this.subjectEnd)
  }

  get replyTo(): string | undefined {
    if (this.replyStart === this.replyEnd) return undefined
    return readRepeated(this.bytes, this.replyStart, this.replyEnd)
  }

  get queue(): string | undefined {
    if (this.queueStart === this.queueEnd) return undefined
    return readRepeated(this.bytes, this.queueStart, this.queueEnd)
  }

  get sid(): string {
    return readRepeated(this.bytes, this.sidStart, this.sidEnd)
  }

  get text(): string {
    return readRepeated(this.bytes, this.textStart, this.textEnd)
  }

  get isUtf8(): boolean {
    return (
      isUtf8(this.bytes, this.subjectStart, this.subjectEnd) &&
      isUtf8(this.bytes, this.replyStart, this.replyEnd) &&
      isUtf8(this.bytes, this.queueStart, this.queueEnd) &&
      isUtf8(this.bytes, this.sidStart, this.sidEnd)
    )
  }

  get headers(): Uint8Array {
    return this.bytes.subarray(this.headersStart, this.payloadStart)
  }

  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd)
  }

  get json(): Uint8Array {
    return this.bytes.subarray(this.textStart, this.textEnd)
  }

  copy(): Operation {
    const { sid } = this
    switch (this.verb) {
      case Verb.CONNECT:
        return { verb: 'CONNECT', json: new Uint8Array(this.json) }
      case Verb.INFO:
        return { verb: 'INFO', json: new Uint8Array(this.json) }
      case Verb.ERR:
        return { verb: '-ERR', text: this.text }
      case Verb.PUB:
        return { verb: 'PUB', ...this.#body() }
      case Verb.HPUB:
        return { verb: 'HPUB', headers: new Uint8Array(this.headers), ...this.#body() }
      case Verb.MSG:
        return { verb: 'MSG', sid, ...this.#body() }
      case Verb.HMSG:
        return { verb: 'HMSG', sid, headers: new Uint8Array(this.headers), ...this.#body() }
      case Verb.SUB: {
        const { queue } = this
        return { verb: 'SUB', subject: this.subject, ...(queue === undefined ? {} : { queue }), sid }
      }
      case Verb.UNSUB:
        return this.max > 0 ? { verb: 'UNSUB', sid, max: this.max } : { verb: 'UNSUB', sid }
      default:
        return { verb: verbName(this.verb) as 'PING' | 'PONG' | '+OK' }
    }
  }

  #body(): { subject: string; replyTo?: string; payload: Uint8Array } {
    const { subject, replyTo } = this
    const payload = new Uint8Array(this.payload)
    return replyTo === undefined ? { subject, payload } : { subject, replyTo, payload }
  }
}
