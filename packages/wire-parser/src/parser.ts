// SPDX-License-Identifier: Apache-2.0
import { scanArgument, scanned } from './argument.ts'
import { type LineRules, readArgument, readErrorText } from './control-line.ts'
import { HoldBuffer } from './hold-buffer.ts'
import { OperationRecord } from './operation-record.ts'
import { type Operation, type OperationView, Verb, type VerbCode, verbName } from './operation.ts'
import { foundVerb, type Side, verbTable } from './verb-table.ts'
import { WireError, type WireErrorCode } from './wire-error.ts'
import { resolveWireLimits, type WireLimits } from './wire-limits.ts'

/** How a parser reads; only `side` is required. */
export interface ParserOptions {
  /** Who is speaking. */
  readonly side: Side
  readonly limits?: Partial<WireLimits>
  /** Whether HPUB is accepted. Default true; a server accepts it once CONNECT has said `headers: true`. */
  readonly headers?: boolean
  /** Whether the first byte must be that of CONNECT, as where authentication is required. Default false. */
  readonly connectRequired?: boolean
}

/** What a parser tells. Nothing here may call `push`; a throw leaves `push` and ends the parser. */
export interface ParserSink {
  /**
   * An operation is complete. If it lies in the pushed chunk, `start` and `end` are its offsets there; if it began in an
   * earlier chunk, `start` is -1, `view.bytes` is the parser's own buffer and `end` is where it ends in this chunk.
   */
  operation(view: OperationView, start: number, end: number): void
  /**
   * The control line of an operation longer than `holdBytes` is known and its payload has begun: hold it until it is
   * whole, or stream it through `bytes`? Default 'hold'.
   */
  head?(view: OperationView): 'hold' | 'stream'
  /** A stretch of a streamed operation, its control line in the first one; `operation` follows the last. */
  bytes?(bytes: Uint8Array, start: number, end: number): void
  /** The input is wrong, said once; `end` is the offset in the chunk up to which operations were whole or streamed. */
  error(error: WireError, end: number): void
}

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

const tables = { client: verbTable('client'), server: verbTable('server') }

const LF = 10
const CR = 13
const TAB = 9
const BLANK = 32
const LETTER_C = 67
// Room for a verb and the line end around the longest argument.
const aroundArgument = 64

/**
 * Reads the NATS client protocol as nats-server does, from chunks cut anywhere. `push` never throws by itself, keeps
 * nothing of a chunk it was given, and holds no more than one incomplete operation.
 */
export class Parser {
  readonly #sink: ParserSink
  readonly #table: Uint8Array
  readonly #isClient: boolean
  readonly #limits: WireLimits
  readonly #maxLineBytes: number
  readonly #view = new OperationRecord()
  readonly #hold = new HoldBuffer()
  readonly #rules: LineRules
  #connectRequired: boolean
  #state: State = State.start
  /** In the middle of a verb: the place in the table. */
  #place = 0
  #verb: VerbCode = Verb.OK
  /** In the middle of an argument: where it begins, counted from the operation's start. */
  #argument = 0
  /** In the middle of a payload: bytes until the operation is whole. */
  #missing = 0
  /** How far the present chunk was used up; where in it the last whole or streamed operation ended. */
  #used = 0
  #good = 0

  constructor(options: ParserOptions, sink: ParserSink) {
    this.#sink = sink
    this.#isClient = options.side === 'client'
    this.#table = tables[options.side]
    this.#limits = resolveWireLimits(options.limits)
    this.#maxLineBytes = Math.max(this.#limits.holdBytes, this.#longestArgument() + aroundArgument)
    const { maxPayloadBytes, maxHeaderBytes } = this.#limits
    this.#rules = { headers: options.headers ?? true, maxPayloadBytes, maxHeaderBytes }
    this.#connectRequired = options.connectRequired ?? false
  }

  /** Bytes of the incomplete operation that the parser holds. */
  get heldBytes(): number {
    return this.#state === State.stream ? 0 : this.#hold.length
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

  /** Says whether an operation other than CONNECT is an `authorization` error. */
  setConnectRequired(required: boolean): void {
    this.#connectRequired = required
  }

  /** Leaves the buffer of the held operation that is being handed out to the sink, which may keep views into it. */
  detachHeld(): void {
    this.#hold.detach()
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
    const held = this.#state === State.stream ? 0 : this.#hold.length
    const rest = this.#hold.bytes.slice(0, held)
    this.#state = State.dead
    this.#hold.detach()
    return rest
  }

  /** Reads the next bytes of the connection, calling the sink for all that became complete. */
  push(chunk: Uint8Array): void {
    if (this.#state === State.dead) return
    this.#good = 0
    try {
      this.#read(chunk, chunk.length)
      if (this.#state === State.stopped) this.#state = State.start
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
    while (at < end && this.#state === State.start) at = this.#readVerb(chunk, at, at, end, 0)
  }

  // From here on each state is one function. `bytes` is the chunk, or the held operation where it began in an earlier one;
  // the operation begins at `start` and goes on at `at`. What is returned is where the next one begins.

  #readVerb(bytes: Uint8Array, start: number, from: number, end: number, fromPlace: number): number {
    if (this.#connectRequired && ((bytes[start] as number) & 0xdf) !== LETTER_C) {
      return this.#fail('authorization', 'something came before CONNECT', start, end)
    }
    let place = fromPlace
    for (let at = from; at < end; at++) {
      place = this.#table[(place << 8) | (bytes[at] as number)] as number
      if (place >= foundVerb) return this.#readBehindVerb(bytes, start, at + 1, end, (place - foundVerb) as VerbCode)
      if (place === 0)
        return this.#fail('unknown_operation', `no verb goes on like this at byte ${at - start}`, start, end)
    }
    this.#place = place
    return this.#wait(State.verb, bytes, start, end)
  }

  #readBehindVerb(bytes: Uint8Array, start: number, at: number, end: number, verb: VerbCode): number {
    this.#verb = verb
    if (verb >= Verb.PING || (verb === Verb.ERR && !this.#isClient)) return this.#readLine(bytes, start, at, end)
    return this.#skipBlanks(bytes, start, at, end)
  }

  #skipBlanks(bytes: Uint8Array, start: number, from: number, end: number): number {
    for (let at = from; at < end; at++) {
      const byte = bytes[at]
      if (byte !== BLANK && byte !== TAB) return this.#readArgument(bytes, start, at, end)
    }
    return this.#wait(State.blanks, bytes, start, end)
  }

  /** PING, PONG and +OK may be followed by anything up to the line end. */
  #readLine(bytes: Uint8Array, start: number, from: number, end: number): number {
    for (let at = from; at < end; at++) {
      if (bytes[at] === LF) return this.#endLine(bytes, start, at + 1, end)
    }
    return this.#wait(State.line, bytes, start, end)
  }

  #endLine(bytes: Uint8Array, start: number, lineEnd: number, end: number): number {
    if (lineEnd - start > this.#maxLineBytes) return this.#failLine(start, end)
    const view = this.#view
    this.#begin(bytes, start, lineEnd)
    if (this.#verb === Verb.ERR) readErrorText(view)
    return this.#emit(start, lineEnd)
  }

  #readArgument(bytes: Uint8Array, start: number, at: number, end: number): number {
    const view = this.#view
    const verb = this.#verb
    const lf = scanArgument(bytes, at, end, verb === Verb.SUB || verb === Verb.UNSUB)
    if (lf < 0) {
      if (isLonger(bytes, at, end, this.#maxArgument(verb))) return this.#failLine(start, end)
      this.#argument = at - start
      return this.#wait(State.argument, bytes, start, end)
    }
    if (scanned.end - at > this.#maxArgument(verb) || lf + 1 - start > this.#maxLineBytes) {
      return this.#failLine(start, end)
    }
    this.#begin(bytes, start, lf + 1)
    view.bareCr = scanned.bareCr
    const fault = readArgument(view, at, this.#rules)
    if (fault !== undefined) return this.#failArgument(fault, start, end)
    return verb <= Verb.HMSG ? this.#readPayload(bytes, start, end) : this.#emit(start, lf + 1)
  }

  #readPayload(bytes: Uint8Array, start: number, end: number): number {
    const view = this.#view
    const payloadEnd = view.lineEnd + view.totalBytes
    const behind = payloadEnd + 2
    if (payloadEnd < end && bytes[payloadEnd] !== CR) return this.#failLineEnd(start, end)
    view.headersStart = view.lineEnd
    view.payloadStart = view.lineEnd + (view.headerBytes > 0 ? view.headerBytes : 0)
    view.payloadEnd = payloadEnd
    if (behind > end) return this.#waitForPayload(bytes, start, end)
    if (bytes[payloadEnd + 1] !== LF) return this.#failLineEnd(start, end)
    return this.#emit(start, behind)
  }

  #begin(bytes: Uint8Array, start: number, lineEnd: number): void {
    const view = this.#view
    view.begin(this.#verb)
    view.bytes = bytes
    view.start = start
    view.lineEnd = lineEnd
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
    if (end - start > this.#maxLineBytes) return this.#failLine(start, end)
    if (this.#state === State.start) this.#hold.append(bytes, start, end)
    this.#state = state
    return end
  }

  // The chunk has ended behind the control line. A long operation is asked about once there is some payload to go with it:
  // a control line that reaches the server alone is checked twice there.
  #waitForPayload(bytes: Uint8Array, start: number, end: number): number {
    const view = this.#view
    const behind = view.payloadEnd + 2
    const isLong = behind - start > this.#limits.holdBytes
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
    if (this.#state === State.dead) return end
    if (answer === 'hold') {
      this.#holdOperation(bytes, start, end)
      this.#state = State.heldPayload
      return end
    }
    this.#holdOperation(bytes, start, this.#view.lineEnd)
    this.#state = State.stream
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
    if (this.#state === State.verb) this.#readVerb(bytes, 0, from, length, this.#place)
    else if (this.#state === State.blanks) this.#skipBlanks(bytes, 0, from, length)
    else if (this.#state === State.line) this.#readLine(bytes, 0, from, length)
    else if (lf >= 0 || length - this.#argument > this.#maxArgument(this.#verb)) {
      this.#readArgument(bytes, 0, this.#argument, length)
    }
    return to
  }

  #resumeLong(at: number): number {
    const hold = this.#hold
    this.#view.bytes = hold.bytes
    const answer = this.#ask()
    if (this.#isDead()) return at
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
    if (this.#missing < 2 && hold.bytes[payloadEnd] !== CR) return this.#failLineEnd(0, end)
    if (this.#missing > 0) return to
    if (hold.bytes[payloadEnd + 1] !== LF) return this.#failLineEnd(0, end)
    return this.#emitHeld()
  }

  #stream(chunk: Uint8Array, at: number, end: number): number {
    const cr = at + this.#missing - 2
    const to = Math.min(end, cr + 2)
    if (cr >= at && cr < to && chunk[cr] !== CR) return this.#failStream(chunk, at, cr, end)
    if (cr + 1 < to && chunk[cr + 1] !== LF) return this.#failStream(chunk, at, cr + 1, end)
    this.#missing -= to - at
    this.#good = to
    this.#sink.bytes?.(chunk, at, to)
    if (this.#missing === 0 && !this.#isDead()) this.#endStream(to)
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

  #failStream(chunk: Uint8Array, at: number, bad: number, end: number): number {
    this.#good = bad
    if (bad > at) this.#sink.bytes?.(chunk, at, bad)
    return this.#failLineEnd(0, end)
  }

  #failLine(start: number, end: number): number {
    return this.#fail('control_line_too_long', 'the control line is longer than allowed', start, end)
  }

  #failLineEnd(start: number, end: number): number {
    return this.#fail('bad_line_end', 'the payload is not followed by CR LF', start, end)
  }

  #failArgument(code: WireErrorCode, start: number, end: number): number {
    const { totalBytes, headerBytes } = this.#view
    const sizes = code === 'payload_too_large' ? ` ${headerBytes} ${totalBytes}` : ''
    return this.#fail(code, `${verbName(this.#verb)} with ${scanned.count} arguments${sizes}`, start, end)
  }

  #fail(code: WireErrorCode, message: string, start: number, end: number): number {
    if (this.#isDead()) return end
    const good = this.#state === State.start ? start : this.#good
    this.close()
    this.#sink.error(new WireError(code, message), good)
    return end
  }

  // A call of the sink may have closed the parser, which the compiler does not see.
  #isDead(): boolean {
    return this.#state === State.dead
  }

  #maxArgument(verb: VerbCode): number {
    const { maxInfoBytes, maxConnectBytes, maxControlLineBytes } = this.#limits
    if (!this.#isClient) return maxInfoBytes
    return verb === Verb.CONNECT ? maxConnectBytes : maxControlLineBytes
  }

  #longestArgument(): number {
    return this.#isClient
      ? Math.max(this.#maxArgument(Verb.CONNECT), this.#maxArgument(Verb.PUB))
      : this.#maxArgument(Verb.INFO)
  }
}

/** Whether an argument whose LF has not come is too long already; a CR that may belong to the line end does not count. */
function isLonger(bytes: Uint8Array, start: number, end: number, max: number): boolean {
  const length = end - start
  if (length <= max) return false
  const cr = bytes.indexOf(CR, start + 1)
  return length - (cr > 0 && cr < end ? 1 : 0) > max
}

/** Reads whole operations, as tests and tools want them; throws WireError for what a connection would be closed for. */
export function parseOperations(bytes: Uint8Array, side: Side): Operation[] {
  const operations: Operation[] = []
  let fault: WireError | undefined
  const parser = new Parser(
    { side },
    { operation: (view) => void operations.push(view.copy()), error: (error) => void (fault = error) },
  )
  parser.push(bytes)
  if (fault !== undefined) throw fault
  if (parser.heldBytes > 0) throw new WireError('bad_line_end', 'the last operation is incomplete')
  return operations
}
