// SPDX-License-Identifier: Apache-2.0
import { type Connect, connectDefaults, decodeConnect, decodeInfo } from '../connect-json.ts'
import { type OperationView, Verb } from '../operation.ts'
import { Parser } from '../parser.ts'
import type { WireError, WireErrorCode } from '../wire-error.ts'
import type { WireLimits } from '../wire-limits.ts'

interface ModelSubscription {
  readonly pattern: string
  readonly queue: string
  delivered: number
  max: number
}

export interface ModelOptions {
  readonly limits: Partial<WireLimits>
  /** Whether a second CONNECT drops the subscriptions, as current servers do. */
  readonly connectDropsSubscriptions: boolean
}

/**
 * What a server without authentication does with the operations our parser reads, in the few words the comparison needs.
 * Texts hold one character per byte.
 */
export class ServerModel {
  /** What the client is sent: PONG, +OK, -ERR in lower case, MSG. */
  readonly output: string[] = []
  /** What a subscriber to `>` is sent. */
  readonly published: string[] = []
  closed = false
  operations = 0
  pongs = 0
  /** Whether chance decides who gets a message. */
  isAmbiguous = false
  /** Whether a line was read whose meaning depends on how the server's reads are split. */
  hasBareCr = false
  errorCode: WireErrorCode | undefined
  readonly #parser: Parser
  readonly #options: ModelOptions
  readonly #subscriptions = new Map<string, ModelSubscription>()
  #connect: Connect = connectDefaults
  #connected = false

  constructor(options: ModelOptions) {
    this.#options = options
    this.#parser = new Parser(
      { side: 'client', limits: options.limits, headers: false },
      { operation: (view) => this.#operation(view), error: (error) => this.#end(error.text, error) },
    )
  }

  push(bytes: Uint8Array): void {
    this.#parser.push(bytes)
  }

  /** Whether bytes are missing until the last operation is whole. */
  get isInside(): boolean {
    return this.#parser.heldBytes > 0
  }

  #operation(view: OperationView): void {
    this.operations++
    this.hasBareCr ||= view.bareCr
    switch (view.verb) {
      case Verb.PING:
        this.pongs++
        this.output.push('PONG')
        break
      case Verb.CONNECT:
        this.#readConnect(view)
        break
      case Verb.INFO:
        if (decodeInfo(view.json) === undefined) this.#end(undefined)
        break
      case Verb.SUB:
        this.#subscribe(view)
        break
      case Verb.UNSUB:
        this.#unsubscribe(latin1(view.bytes, view.sidStart, view.sidEnd), view.max)
        break
      case Verb.PUB:
      case Verb.HPUB:
        this.#publish(view)
        break
      default:
    }
  }

  #end(text: string | undefined, error?: WireError): void {
    if (text !== undefined) this.output.push(`-ERR ${text.toLowerCase()}`)
    this.errorCode = error?.code
    this.closed = true
    this.#parser.close()
  }

  #ok(): void {
    if (this.#connect.verbose === true) this.output.push('+OK')
  }

  #readConnect(view: OperationView): void {
    const fields = decodeConnect(view.json)
    if (fields === undefined) return this.#end(undefined)
    this.#connect = { ...this.#connect, ...fields }
    if (this.#connected && this.#options.connectDropsSubscriptions) this.#subscriptions.clear()
    this.#connected = true
    const { account, new_account, protocol = 0, no_responders, headers } = this.#connect
    if (new_account === true || (account ?? '') !== '') return this.#end('Authorization Violation')
    if (protocol < 0 || protocol > 1) return this.#end('invalid client protocol')
    if (no_responders === true && headers !== true) return this.#end('no responders requires headers support')
    this.#parser.setHeaders(headers === true)
    return this.#ok()
  }

  #subscribe(view: OperationView): void {
    const pattern = latin1(view.bytes, view.subjectStart, view.subjectEnd)
    const queue = latin1(view.bytes, view.queueStart, view.queueEnd)
    const sid = latin1(view.bytes, view.sidStart, view.sidEnd)
    const tokens = pattern.split('.')
    const isValid = tokens.every((token, at) => token !== '' && (token !== '>' || at === tokens.length - 1))
    if (!isValid && !this.#subscriptions.has(sid)) return void this.output.push('-ERR invalid subject')
    if (!this.#subscriptions.has(sid)) this.#subscriptions.set(sid, { pattern, queue, delivered: 0, max: 0 })
    return this.#ok()
  }

  #unsubscribe(sid: string, max: number): void {
    const subscription = this.#subscriptions.get(sid)
    if (subscription !== undefined) {
      if (max > subscription.delivered) subscription.max = max
      else this.#subscriptions.delete(sid)
    }
    this.#ok()
  }

  #publish(view: OperationView): void {
    const subject = latin1(view.bytes, view.subjectStart, view.subjectEnd)
    const tokens = subject.split('.')
    const isLiteral = tokens.every((token) => token !== '' && token !== '*' && token !== '>')
    if (this.#connect.pedantic === true && !isLiteral) this.output.push('-ERR invalid publish subject')
    this.#ok()
    if (tokens.includes('')) {
      this.isAmbiguous ||= this.#connect.no_responders === true
      return
    }
    const reply = latin1(view.bytes, view.replyStart, view.replyEnd)
    const headers = latin1(view.bytes, view.headersStart, view.payloadStart)
    const parts = [subject, reply, headers, latin1(view.bytes, view.payloadStart, view.payloadEnd)]
    this.published.push(message('', parts))
    if (this.#connect.echo === true) this.#deliver(subject, parts)
  }

  #deliver(subject: string, parts: readonly string[]): void {
    const queues = new Set<string>()
    for (const [sid, subscription] of this.#subscriptions) {
      if (!matches(subscription.pattern.split('.'), subject.split('.'))) continue
      // A queue is one whatever its members subscribe to.
      if (subscription.queue !== '' && queues.has(subscription.queue)) this.isAmbiguous = true
      queues.add(subscription.queue)
      this.output.push(message(sid, parts))
      subscription.delivered++
      if (subscription.delivered === subscription.max) this.#subscriptions.delete(sid)
    }
  }
}

export function message(sid: string, parts: readonly string[]): string {
  return `MSG ${JSON.stringify([sid, ...parts])}`
}

export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}

function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (const [at, token] of pattern.entries()) {
    if (token === '>') return subject.length > at
    if (at >= subject.length || (token !== '*' && token !== subject[at])) return false
  }
  return pattern.length === subject.length
}
