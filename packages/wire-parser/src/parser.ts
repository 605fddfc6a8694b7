// SPDX-License-Identifier: Apache-2.0
import { Argument, isLonger } from './argument.ts'
import { type LineRules, readArgument, readErrorText } from './control-line.ts'
import { HoldBuffer } from './hold-buffer.ts'
import { OperationRecord } from './operation-record.ts'
import { Verb, type VerbCode } from './operation.ts'
import { type ParserFault, parserError } from './parser-fault.ts'
import type { ParserOptions, ParserSink } from './parser-sink.ts'
import { argumentVerb, connectTable, lineVerb, type Side, verbTables } from './verb-table.ts'
import { resolveWireLimits } from './wire-limits.ts'

export type { ParserOptions, ParserSink } from './parser-sink.ts'

const State = {
  start: 0,
  verb: 1,
  blanks: 2,
  argument: 3,
  line: 4,
  payload: 5,
  heldPayload: 6,
  stream: 7,
  stopped: 8,
  dead: 9,
} as const
type State = (typeof State)[keyof typeof State]

const LF = 10
const CR = 13
const TAB = 9
const BLANK = 32
// Room for a verb and the line end around the longest argument.
const aroundArgument = 64

/**
 * Reads the NATS client protocol as nats-server does, from chunks cut anywhere. `push` never throws by itself, keeps
 * nothing of a chunk it was given, and holds no more than one incomplete operation.
 */
export class Parser {
  readonly #sink: ParserSink
  readonly #side: Side
  readonly #holdBytes: number
  readonly #maxArgumentBytes: number
  readonly #maxConnectBytes: number
  readonly #maxLineBytes: number
  readonly #rules: LineRules
  readonly #view = new OperationRecord()
  readonly #argument = new Argument()
  readonly #hold = new HoldBuffer()
  #table: Uint8Array = connectTable
  /** What is wrong with a byte that no operation begins with. */
  #firstFault: ParserFault = 'authorization'
  #state: State = State.start
  #verb: VerbCode = Verb.OK
  /** In the middle of an argument: where it begins, counted from the operation's start. */
  #argumentAt = 0
  /** In the middle of a payload: bytes until the operation is whole. */
  #missing = 0
  /** How far the present chunk was used up; where in it the last whole or streamed operation ended. */
  #used = 0
  #good = 0

  constructor(options: ParserOptions, sink: ParserSink) {
    this.#sink = sink
    this.#side = options.side
    const limits = resolveWireLimits(options.limits)
    const { holdBytes, maxPayloadBytes, maxHeaderBytes } = limits
    this.#holdBytes = holdBytes
    this.#maxArgumentBytes = options.side === 'client' ? limits.maxControlLineBytes : limits.maxInfoBytes
    this.#maxConnectBytes = limits.maxConnectBytes
    const longest = Math.max(this.#maxArgumentBytes, this.#maxConnectBytes)
    this.#maxLineBytes = Math.max(holdBytes, longest + aroundArgument)
    this.#rules = { headers: options.headers ?? true, maxPayloadBytes, maxHeaderBytes }
    this.setConnectRequired(options.connectRequired ?? false)
  }

  /** Bytes of the incomplete operation that the parser holds. */
  get heldBytes(): number {
    return this.#isBetween() ? 0 : this.#hold.length
  }

  /** Whether an operation is being streamed: what is written elsewhere now would land in the middle of it. */
  get streaming(): boolean {
    return this.#state === State.stream
  }

  /** Whether an error or `close` has ended the parser. */
  get closed(): boolean {
    return this.#state === State.dead
  }

  /** Bounds headers and payload of operations to come; -1 for no bound. */
  setMaxPayloadBytes(value: number): void {
    this.#rules.maxPayloadBytes = value
  }

  /** Says whether HPUB is accepted from the next operation on. */
  setHeaders(accepted: boolean): void {
    this.#rules.headers = accepted
  }

  /** Says whether an operation of which nothing has come yet is an `authorization` error if it is not CONNECT. */
  setConnectRequired(required: boolean): void {
    this.#table = required ? connectTable : verbTables[this.#side]
    this.#firstFault = required ? 'authorization' : 'unknown_operation'
  }

  /** Leaves the buffer of the held operation that is being handed out to the sink, which may keep views into it. */
  detachHeld(): void {
    if (this.#isBetween()) this.#hold.detach()
  }

  /**
   * Within `operation`: lets `push` return behind it, with the rest of the chunk unread. Whoever stops pushes that rest,
   * from the `end` it was given, before any other chunk.
   */
  stop(): void {
    if (this.#state === State.start) this.#state = State.stopped
  }

  /** Ends the parser, also from within the sink, and returns what it holds of an incomplete operation. */
  close(): Uint8Array {
    const rest = this.#hold.bytes.slice(0, this.#isBetween() ? 0 : this.#hold.length)
    this.#state = State.dead
    this.#hold.detach()
    return rest
  }

  /** Reads the next bytes of the connection, calling the sink for all that became complete. */
  push(chunk: Uint8Array): void {
    if (this.#state === State.dead) return
    if (this.#state === State.stopped) this.#state = State.start
    this.#good = 0
    try {
      this.#read(chunk, chunk.length)
    } catch (error) {
      this.close()
      throw error
    }
  }

  #read(chunk: Uint8Array, end: number): void {
    let at = 0
    while (at < end && this.#state !== State.start) {
      if (this.#state >= State.stopped) return
      at = this.#resume(chunk, at, end)
    }
    // An operation that lies in the chunk leaves the state as it is.
    while (at < end && this.#state === State.start) at = this.#readVerb(chunk, at, end)
  }

  // From here on each state is one function. `bytes` is the chunk, or the held operation where it began in an earlier one;
  // the operation begins at `start` and goes on at `at`. What is returned is where the next one begins.

  // A verb is short, so one of which only a part has come is read again from its first letter.
  #readVerb(bytes: Uint8Array, start: number, end: number): number {
    const table = this.#table
    let place = 0
    for (let at = start; at < end; at++) {
      place = table[(place << 8) | (bytes[at] as number)] as number
      if (place < argumentVerb) {
        if (place === 0) return this.#fail(at === start ? this.#firstFault : 'unknown_operation', start, end)
      } else if (place < lineVerb) {
        this.#verb = (place - argumentVerb) as VerbCode
        return this.#skipBlanks(bytes, start, at + 1, end)
      } else {
        this.#verb = (place - lineVerb) as VerbCode
        return this.#readLine(bytes, start, at + 1, end)
      }
    }
    return this.#wait(State.verb, bytes, start, end)
  }

  #skipBlanks(bytes: Uint8Array, start: number, from: number, end: number): number {
    for (let at = from; at < end; at++) {
      const byte = bytes[at]
      if (byte !== BLANK && byte !== TAB) return this.#readArgument(bytes, start, at, end)
    }
    return this.#wait(State.blanks, bytes, start, end)
  }

  #readArgument(bytes: Uint8Array, start: number, at: number, end: number): number {
    const verb = this.#verb
    const argument = this.#argument
    const lf = argument.scan(bytes, at, end, verb === Verb.SUB || verb === Verb.UNSUB)
    if (lf < 0) return this.#waitForArgument(bytes, start, at, end)
    if (argument.end - at > this.#longest(verb) || lf - start >= this.#maxLineBytes)
      return this.#fail('control_line_too_long', start, end)
    const view = this.#begin(bytes, start, lf + 1)
    view.bareCr = argument.bareCr
    const fault = readArgument(view, argument, at, this.#rules)
    if (fault !== undefined) return this.#fail(fault, start, end)
    return verb <= Verb.HMSG ? this.#readPayload(bytes, start, end) : this.#emit(start, lf + 1)
  }

  /** PING, PONG and +OK may be followed by anything up to the line end. */
  #readLine(bytes: Uint8Array, start: number, from: number, end: number): number {
    const lf = bytes.indexOf(LF, from)
    if (lf < 0 || lf >= end) return this.#wait(State.line, bytes, start, end)
    if (lf - start >= this.#maxLineBytes) return this.#fail('control_line_too_long', start, end)
    const view = this.#begin(bytes, start, lf + 1)
    if (view.verb === Verb.ERR) readErrorText(view)
    return this.#emit(start, lf + 1)
  }

  #readPayload(bytes: Uint8Array, start: number, end: number): number {
    const view = this.#view
    const headersStart = view.lineEnd
    const payloadEnd = headersStart + view.totalBytes
    view.headersStart = headersStart
    view.payloadStart = view.headerBytes > 0 ? headersStart + view.headerBytes : headersStart
    view.payloadEnd = payloadEnd
    if (payloadEnd < end && bytes[payloadEnd] !== CR) return this.#fail('bad_line_end', start, end)
    if (payloadEnd + 2 > end) return this.#waitForPayload(bytes, start, end)
    if (bytes[payloadEnd + 1] !== LF) return this.#fail('bad_line_end', start, end)
    return this.#emit(start, payloadEnd + 2)
  }

  #begin(bytes: Uint8Array, start: number, lineEnd: number): OperationRecord {
    const view = this.#view
    if (view.verb !== this.#verb) view.reset(this.#verb)
    view.bytes = bytes
    view.start = start
    view.lineEnd = lineEnd
    return view
  }

  #emit(start: number, end: number): number {
    if (this.#state !== State.start) return this.#emitHeld()
    this.#sink.operation(this.#view, start, end)
    return end
  }

  #emitHeld(): number {
    this.#state = State.start
    this.#good = this.#used
    this.#view.bytes = this.#hold.bytes
    this.#sink.operation(this.#view, -1, this.#used)
    this.#hold.clear()
    return this.#used
  }

  // The chunk has ended in the middle of a control line.
  #wait(state: State, bytes: Uint8Array, start: number, end: number): number {
    if (end - start > this.#maxLineBytes) return this.#fail('control_line_too_long', start, end)
    if (this.#state === State.start) this.#hold.append(bytes, start, end)
    this.#state = state
    return end
  }

  #waitForArgument(bytes: Uint8Array, start: number, at: number, end: number): number {
    if (isLonger(bytes, at, end, this.#longest(this.#verb))) return this.#fail('control_line_too_long', start, end)
    this.#argumentAt = at - start
    return this.#wait(State.argument, bytes, start, end)
  }

  // The chunk has ended behind the control line. A long operation is asked about once there is some payload to go with it:
  // a control line that reaches the server alone is checked twice there.
  #waitForPayload(bytes: Uint8Array, start: number, end: number): number {
    const view = this.#view
    const behind = view.payloadEnd + 2
    const isLong = behind - start > this.#holdBytes
    this.#missing = behind - end
    if (isLong && end > view.lineEnd) return this.#decide(bytes, start, end)
    if (this.#state === State.start) this.#holdOperation(bytes, start, end)
    this.#state = isLong ? State.payload : State.heldPayload
    return end
  }

  #holdOperation(bytes: Uint8Array, start: number, end: number): void {
    this.#hold.append(bytes, start, end)
    this.#view.move(this.#hold.bytes, 0)
  }

  #decide(bytes: Uint8Array, start: number, end: number): number {
    const answer = this.#ask()
    if (this.#isClosed()) return end
    this.#holdOperation(bytes, start, answer === 'hold' ? end : this.#view.lineEnd)
    this.#state = answer === 'hold' ? State.heldPayload : State.stream
    if (answer === 'hold') return end
    this.#good = end
    this.#sink.bytes?.(bytes, start, end)
    return end
  }

  #ask(): 'hold' | 'stream' {
    const view = this.#view
    const { headersStart, payloadStart, payloadEnd } = view
    view.headersStart = view.payloadStart = view.payloadEnd = view.lineEnd
    const answer = this.#sink.head?.(view) ?? 'hold'
    if (answer === 'stream') return answer
    view.headersStart = headersStart
    view.payloadStart = payloadStart
    view.payloadEnd = payloadEnd
    return answer
  }

  // The functions below go on in a chunk with an operation that began in an earlier one.

  #resume(chunk: Uint8Array, at: number, end: number): number {
    switch (this.#state) {
      case State.payload:
        return this.#resumeLong(at)
      case State.heldPayload:
        return this.#resumePayload(chunk, at, end)
      case State.stream:
        return this.#stream(chunk, at, end)
      default:
        return this.#resumeLine(chunk, at, end)
    }
  }

  /** Takes as much as one LF ends: no operation that is in its control line can end before or go on behind it. */
  #resumeLine(chunk: Uint8Array, at: number, end: number): number {
    const hold = this.#hold
    const from = hold.length
    const lf = chunk.indexOf(LF, at)
    const to = Math.min(lf < 0 ? end : lf + 1, at + this.#maxLineBytes + 1 - from)
    hold.append(chunk, at, to)
    this.#used = to
    const { bytes, length } = hold
    if (this.#state === State.verb) this.#readVerb(bytes, 0, length)
    else if (this.#state === State.blanks) this.#skipBlanks(bytes, 0, from, length)
    else if (this.#state === State.line) this.#readLine(bytes, 0, from, length)
    else if (lf >= 0 || length - this.#argumentAt > this.#longest(this.#verb)) {
      this.#readArgument(bytes, 0, this.#argumentAt, length)
    }
    return to
  }

  #resumeLong(at: number): number {
    const hold = this.#hold
    this.#view.bytes = hold.bytes
    const answer = this.#ask()
    if (this.#isClosed()) return at
    this.#state = answer === 'hold' ? State.heldPayload : State.stream
    if (answer === 'stream') this.#sink.bytes?.(hold.bytes, 0, hold.length)
    return at
  }

  #resumePayload(chunk: Uint8Array, at: number, end: number): number {
    const hold = this.#hold
    const to = Math.min(end, at + this.#missing)
    hold.append(chunk, at, to)
    this.#missing -= to - at
    this.#used = to
    const { payloadEnd } = this.#view
    if (this.#missing < 2 && hold.bytes[payloadEnd] !== CR) return this.#fail('bad_line_end', 0, end)
    if (this.#missing > 0) return to
    if (hold.bytes[payloadEnd + 1] !== LF) return this.#fail('bad_line_end', 0, end)
    return this.#emitHeld()
  }

  #stream(chunk: Uint8Array, at: number, end: number): number {
    const cr = at + this.#missing - 2
    const to = Math.min(end, cr + 2)
    const isWrongCr = cr >= at && cr < to && chunk[cr] !== CR
    const isWrongLf = cr + 1 < to && chunk[cr + 1] !== LF
    const good = isWrongCr ? cr : isWrongLf ? cr + 1 : to
    this.#missing -= good - at
    this.#good = good
    if (good > at) this.#sink.bytes?.(chunk, at, good)
    if (good < to) return this.#fail('bad_line_end', 0, end)
    if (this.#missing === 0 && !this.#isClosed()) this.#endStream(to)
    return to
  }

  #endStream(end: number): void {
    const view = this.#view
    this.#state = State.start
    view.streamed = true
    this.#sink.operation(view, -1, end)
    view.streamed = false
    this.#hold.clear()
  }

  #fail(fault: ParserFault, start: number, end: number): number {
    if (this.#isClosed()) return end
    const good = this.#state === State.start ? start : this.#good
    const isVerbWrong = fault === 'unknown_operation' || fault === 'authorization'
    this.close()
    this.#sink.error(parserError(fault, isVerbWrong ? undefined : this.#verb), good)
    return end
  }

  // A call of the sink may have closed the parser, which the compiler does not see.
  #isClosed(): boolean {
    return this.#state === State.dead
  }

  /** Whether what the hold has was handed out. */
  #isBetween(): boolean {
    return this.#state === State.start || this.#state === State.stopped || this.#state === State.stream
  }

  /** The longest argument of a verb. */
  #longest(verb: VerbCode): number {
    return verb === Verb.CONNECT ? this.#maxConnectBytes : this.#maxArgumentBytes
  }
}
