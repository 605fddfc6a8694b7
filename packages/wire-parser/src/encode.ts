// SPDX-License-Identifier: Apache-2.0
import { type Operation, type OperationView, Verb } from './operation.ts'
import { maxUtf8Bytes, writeUtf8 } from './utf8.ts'

const LF = 10
const CR = 13
const BLANK = 32
// Nine digits, which is all the server reads of a number.
const mostBytes = 999_999_999
// A verb, two sizes of nine digits, blanks and line end: what a control line has beside its tokens.
const aroundTokens = 32
// With the flag u the surrogates are those without their other half.
const breaksToken = /[ \t\r\n\uD800-\uDFFF]/u

/** Encodes an operation as one segment: upper-case verb, single blanks, CR LF. Throws TypeError for what is not one. */
export function encodeOperation(operation: Operation): Uint8Array {
  const buffer = new Uint8Array(operationRoom(operation))
  const end = writeOperation(buffer, 0, operation)
  return end === buffer.length ? buffer : buffer.slice(0, end)
}

/** Most bytes `writeOperation` may need. */
export function operationRoom(operation: Operation): number {
  switch (operation.verb) {
    case 'CONNECT':
    case 'INFO':
      return aroundTokens + operation.json.length
    case '-ERR':
      return aroundTokens + maxUtf8Bytes(operation.text)
    case 'SUB':
      return aroundTokens + maxUtf8Bytes(`${operation.subject}${operation.queue ?? ''}${operation.sid}`)
    case 'UNSUB':
      return aroundTokens + maxUtf8Bytes(operation.sid)
    case 'PUB':
    case 'HPUB':
    case 'MSG':
    case 'HMSG': {
      const texts = `${operation.subject}${operation.replyTo ?? ''}${'sid' in operation ? operation.sid : ''}`
      const blocks = operation.payload.length + ('headers' in operation ? operation.headers.length : 0)
      return aroundTokens + maxUtf8Bytes(texts) + blocks + 2
    }
    default:
      return aroundTokens
  }
}

/**
 * Writes an operation into a buffer with room for `operationRoom` and returns the offset behind it. Throws TypeError
 * before it has written anything, if a token is empty or holds a blank, or if anything would end a line too early.
 */
export function writeOperation(into: Uint8Array, offset: number, operation: Operation): number {
  switch (operation.verb) {
    case 'PING':
    case 'PONG':
    case '+OK':
      return writeUtf8(into, offset, `${operation.verb}\r\n`)
    case '-ERR':
      checkLine('text', operation.text)
      return writeUtf8(into, offset, `-ERR '${operation.text}'\r\n`)
    case 'CONNECT':
    case 'INFO':
      return writeJson(into, offset, operation.verb, operation.json)
    case 'SUB':
      return writeUtf8(into, offset, subLine(operation))
    case 'UNSUB':
      return writeUtf8(into, offset, unsubLine(operation))
    default:
      return writeMessage(into, offset, operation)
  }
}

function subLine({ subject, queue, sid }: Operation & { verb: 'SUB' }): string {
  checkToken('subject', subject)
  if (queue !== undefined) checkToken('queue', queue)
  checkToken('sid', sid)
  return queue === undefined ? `SUB ${subject} ${sid}\r\n` : `SUB ${subject} ${queue} ${sid}\r\n`
}

function unsubLine({ sid, max }: Operation & { verb: 'UNSUB' }): string {
  checkToken('sid', sid)
  if (max === undefined) return `UNSUB ${sid}\r\n`
  checkSize('max', max)
  return `UNSUB ${sid} ${max}\r\n`
}

function writeJson(into: Uint8Array, offset: number, verb: 'CONNECT' | 'INFO', json: Uint8Array): number {
  if (json.length === 0 || json.includes(LF) || json.includes(CR)) {
    throw new TypeError(`${verb}: the JSON is empty or holds a line end`)
  }
  const at = writeUtf8(into, offset, `${verb} `)
  into.set(json, at)
  return writeLineEnd(into, at + json.length)
}

type Message = Operation & { verb: 'PUB' | 'HPUB' | 'MSG' | 'HMSG' }

function writeMessage(into: Uint8Array, offset: number, message: Message): number {
  const headers = 'headers' in message ? message.headers : undefined
  const total = (headers?.length ?? 0) + message.payload.length
  checkSize('headers and payload', total)
  let at = writeUtf8(into, offset, `${messageTokens(message)}${headers ? `${headers.length} ` : ''}${total}\r\n`)
  if (headers !== undefined) {
    into.set(headers, at)
    at += headers.length
  }
  into.set(message.payload, at)
  return writeLineEnd(into, at + message.payload.length)
}

/** The control line up to the sizes. */
function messageTokens(message: Message): string {
  const { verb, subject, replyTo } = message
  checkToken('subject', subject)
  if (replyTo !== undefined) checkToken('replyTo', replyTo)
  const reply = replyTo === undefined ? '' : `${replyTo} `
  if (!('sid' in message)) return `${verb} ${subject} ${reply}`
  checkToken('sid', message.sid)
  return `${verb} ${subject} ${message.sid} ${reply}`
}

/** Most bytes `writeControlLine` may need for this view. */
export function controlLineRoom(view: OperationView): number {
  const subject = view.subjectEnd - view.subjectStart
  return aroundTokens + subject + (view.replyEnd - view.replyStart) + (view.sidEnd - view.sidStart)
}

/**
 * Writes the control line of a PUB, HPUB, MSG or HMSG again for other sizes and returns the offset behind it, without
 * making a string. `headerBytes` -1 makes it a PUB or MSG, others HPUB or HMSG. Throws TypeError for another verb, and for a
 * line with CR or LF inside, which would not be read the same way twice.
 */
export function writeControlLine(
  into: Uint8Array,
  offset: number,
  view: OperationView,
  headerBytes: number,
  totalBytes: number,
): number {
  if (view.verb > Verb.HMSG || view.bareCr)
    throw new TypeError('not the control line of a message, or one with a bare CR')
  const isDelivery = view.verb >= Verb.MSG
  let at = writeUtf8(into, offset, verbText(isDelivery, headerBytes >= 0))
  at = writeToken(into, at, view.bytes, view.subjectStart, view.subjectEnd)
  if (isDelivery) at = writeToken(into, at, view.bytes, view.sidStart, view.sidEnd)
  if (view.replyStart < view.replyEnd) at = writeToken(into, at, view.bytes, view.replyStart, view.replyEnd)
  if (headerBytes >= 0) {
    at = writeSize(into, at, headerBytes)
    into[at++] = BLANK
  }
  return writeLineEnd(into, writeSize(into, at, totalBytes))
}

function verbText(isDelivery: boolean, hasHeaders: boolean): string {
  if (isDelivery) return hasHeaders ? 'HMSG ' : 'MSG '
  return hasHeaders ? 'HPUB ' : 'PUB '
}

function writeToken(into: Uint8Array, offset: number, from: Uint8Array, start: number, end: number): number {
  let at = offset
  for (let i = start; i < end; i++) into[at++] = from[i] as number
  into[at++] = BLANK
  return at
}

function writeSize(into: Uint8Array, offset: number, size: number): number {
  let digits = 1
  for (let rest = size; rest >= 10; rest = Math.floor(rest / 10)) digits++
  let rest = size
  for (let at = offset + digits - 1; at >= offset; at--) {
    into[at] = 48 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return offset + digits
}

function writeLineEnd(into: Uint8Array, offset: number): number {
  into[offset] = CR
  into[offset + 1] = LF
  return offset + 2
}

function checkToken(name: string, text: string): void {
  if (text === '' || breaksToken.test(text)) {
    throw new TypeError(`${name} ${JSON.stringify(text)}: is empty or holds a blank, a line end or half a character`)
  }
}

function checkLine(name: string, text: string): void {
  if (/[\r\n]/.test(text)) throw new TypeError(`${name} ${JSON.stringify(text)}: holds a line end`)
}

function checkSize(name: string, size: number): void {
  if (!Number.isInteger(size) || size < 0 || size > mostBytes) {
    throw new TypeError(`${name}: ${size} is no whole number from 0 to ${mostBytes}`)
  }
}
