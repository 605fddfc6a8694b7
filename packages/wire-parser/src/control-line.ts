// SPDX-License-Identifier: Apache-2.0
import type { Argument } from './argument.ts'
import type { OperationRecord } from './operation-record.ts'
import { Verb } from './operation.ts'
import type { ParserFault } from './parser-fault.ts'

const TAB = 9
const BLANK = 32
const QUOTE = 39

/** What a control line must keep to, as it changes during a connection; sizes of -1 are no bound. */
export interface LineRules {
  headers: boolean
  maxPayloadBytes: number
  maxHeaderBytes: number
}

/** Reads an argument that was scanned into the view, as its verb wants; returns what a server would refuse it for. */
export function readArgument(
  view: OperationRecord,
  argument: Argument,
  start: number,
  rules: LineRules,
): ParserFault | undefined {
  switch (view.verb) {
    case Verb.PUB:
      return readPub(view, argument, rules)
    case Verb.HPUB:
      return readHpub(view, argument, rules)
    case Verb.MSG:
      return readMsg(view, argument, rules)
    case Verb.HMSG:
      return readHmsg(view, argument, rules)
    case Verb.SUB:
      return readSub(view, argument)
    case Verb.UNSUB:
      return readUnsub(view, argument)
    case Verb.CONNECT:
    case Verb.INFO:
      return readJson(view, start, argument.end)
    default:
      // Only -ERR is left: the server closes when a client says it, without an answer.
      return 'peer_error'
  }
}

// PUB subject [reply] size
function readPub(view: OperationRecord, argument: Argument, rules: LineRules): ParserFault | undefined {
  const { count } = argument
  if (count !== 2 && count !== 3) return 'bad_arguments'
  readSubject(view, argument, 0)
  readReply(view, argument, count === 3 ? 1 : -1)
  return readSize(view, argument.size(view.bytes, count - 1), rules)
}

// HPUB subject [reply] header-size total-size
function readHpub(view: OperationRecord, argument: Argument, rules: LineRules): ParserFault | undefined {
  if (!rules.headers) return 'headers_disabled'
  const { count } = argument
  if (count !== 3 && count !== 4) return 'bad_arguments'
  readSubject(view, argument, 0)
  readReply(view, argument, count === 4 ? 1 : -1)
  return readSizes(view, argument.size(view.bytes, count - 2), argument.size(view.bytes, count - 1), rules)
}

// MSG subject sid [reply] size
function readMsg(view: OperationRecord, argument: Argument, rules: LineRules): ParserFault | undefined {
  const { count } = argument
  if (count !== 3 && count !== 4) return 'bad_arguments'
  readSubject(view, argument, 0)
  readSid(view, argument, 1)
  readReply(view, argument, count === 4 ? 2 : -1)
  return readSize(view, argument.size(view.bytes, count - 1), rules)
}

// HMSG subject sid [reply] header-size total-size
function readHmsg(view: OperationRecord, argument: Argument, rules: LineRules): ParserFault | undefined {
  const { count } = argument
  if (count !== 4 && count !== 5) return 'bad_arguments'
  readSubject(view, argument, 0)
  readSid(view, argument, 1)
  readReply(view, argument, count === 5 ? 2 : -1)
  return readSizes(view, argument.size(view.bytes, count - 2), argument.size(view.bytes, count - 1), rules)
}

// SUB subject [queue] sid
function readSub(view: OperationRecord, argument: Argument): ParserFault | undefined {
  const { count } = argument
  if (count !== 2 && count !== 3) return 'bad_arguments'
  readSubject(view, argument, 0)
  view.queueStart = count === 3 ? argument.tokenStart(1) : 0
  view.queueEnd = count === 3 ? argument.tokenEnd(1) : 0
  readSid(view, argument, count - 1)
  return undefined
}

// UNSUB sid [max]; the server takes a max that it cannot read for "now".
function readUnsub(view: OperationRecord, argument: Argument): ParserFault | undefined {
  const { count } = argument
  if (count !== 1 && count !== 2) return 'bad_arguments'
  readSid(view, argument, 0)
  view.max = count === 2 ? Math.max(0, argument.size(view.bytes, 1)) : 0
  return undefined
}

// CONNECT {json} and INFO {json}: whether it is JSON is not looked at.
function readJson(view: OperationRecord, start: number, end: number): undefined {
  view.textStart = start
  view.textEnd = end
}

/** Reads -ERR 'text', -ERR text and -ERR alone. */
export function readErrorText(view: OperationRecord): void {
  const { bytes } = view
  let start = view.start + '-ERR'.length
  let end = view.lineEnd - 1
  while (start < end && isBlank(bytes[start] as number)) start++
  while (start < end && isBlank(bytes[end - 1] as number)) end--
  if (end - start >= 2 && bytes[start] === QUOTE && bytes[end - 1] === QUOTE) {
    start++
    end--
  }
  view.textStart = start
  view.textEnd = end
}

function isBlank(byte: number): boolean {
  return byte <= BLANK && byte >= TAB
}

function readSubject(view: OperationRecord, argument: Argument, token: number): void {
  view.subjectStart = argument.tokenStart(token)
  view.subjectEnd = argument.tokenEnd(token)
}

function readSid(view: OperationRecord, argument: Argument, token: number): void {
  view.sidStart = argument.tokenStart(token)
  view.sidEnd = argument.tokenEnd(token)
}

function readReply(view: OperationRecord, argument: Argument, token: number): void {
  view.replyStart = token < 0 ? 0 : argument.tokenStart(token)
  view.replyEnd = token < 0 ? 0 : argument.tokenEnd(token)
}

function readSize(view: OperationRecord, total: number, rules: LineRules): ParserFault | undefined {
  if (total < 0) return 'bad_size'
  view.totalBytes = total
  return rules.maxPayloadBytes >= 0 && total > rules.maxPayloadBytes ? 'payload_too_large' : undefined
}

// In the order in which the server looks at them, so that the same fault is named.
function readSizes(view: OperationRecord, header: number, total: number, rules: LineRules): ParserFault | undefined {
  if (header < 0 || total < 0) return 'bad_size'
  if (header > total) return 'bad_header_size'
  view.headerBytes = header
  view.totalBytes = total
  if (rules.maxHeaderBytes >= 0 && header > rules.maxHeaderBytes) return 'payload_too_large'
  return rules.maxPayloadBytes >= 0 && total > rules.maxPayloadBytes ? 'payload_too_large' : undefined
}
