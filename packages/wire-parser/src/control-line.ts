// SPDX-License-Identifier: Apache-2.0
import { parseSize, scanned, tokens } from './argument.ts'
import type { OperationRecord } from './operation-record.ts'
import { Verb } from './operation.ts'
import type { WireErrorCode } from './wire-error.ts'

const TAB = 9
const BLANK = 32
const QUOTE = 39

/** What a control line must keep to, as it changes during a connection; sizes of -1 are no bound. */
export interface LineRules {
  headers: boolean
  maxPayloadBytes: number
  maxHeaderBytes: number
}

/** Reads the argument that was just scanned into the view, by its verb; returns what a server would refuse it for. */
export function readArgument(view: OperationRecord, start: number, rules: LineRules): WireErrorCode | undefined {
  switch (view.verb) {
    case Verb.PUB:
      return readPub(view, rules)
    case Verb.HPUB:
      return readHpub(view, rules)
    case Verb.MSG:
      return readMsg(view, rules)
    case Verb.HMSG:
      return readHmsg(view, rules)
    case Verb.SUB:
      return readSub(view)
    case Verb.UNSUB:
      return readUnsub(view)
    case Verb.CONNECT:
    case Verb.INFO:
      return readJson(view, start)
    default:
      // Only -ERR is left: the server closes when a client says it, without an answer.
      return 'peer_error'
  }
}

// PUB subject [reply] size
function readPub(view: OperationRecord, rules: LineRules): WireErrorCode | undefined {
  const { count } = scanned
  if (count !== 2 && count !== 3) return 'bad_arguments'
  readSubject(view, 0)
  readReply(view, count === 3 ? 1 : -1)
  return readSize(view, count - 1, rules)
}

// HPUB subject [reply] header-size total-size
function readHpub(view: OperationRecord, rules: LineRules): WireErrorCode | undefined {
  if (!rules.headers) return 'headers_disabled'
  const { count } = scanned
  if (count !== 3 && count !== 4) return 'bad_arguments'
  readSubject(view, 0)
  readReply(view, count === 4 ? 1 : -1)
  return readSizes(view, count - 2, rules)
}

// MSG subject sid [reply] size
function readMsg(view: OperationRecord, rules: LineRules): WireErrorCode | undefined {
  const { count } = scanned
  if (count !== 3 && count !== 4) return 'bad_arguments'
  readSubject(view, 0)
  readSid(view, 1)
  readReply(view, count === 4 ? 2 : -1)
  return readSize(view, count - 1, rules)
}

// HMSG subject sid [reply] header-size total-size
function readHmsg(view: OperationRecord, rules: LineRules): WireErrorCode | undefined {
  const { count } = scanned
  if (count !== 4 && count !== 5) return 'bad_arguments'
  readSubject(view, 0)
  readSid(view, 1)
  readReply(view, count === 5 ? 2 : -1)
  return readSizes(view, count - 2, rules)
}

// SUB subject [queue] sid
function readSub(view: OperationRecord): WireErrorCode | undefined {
  const { count } = scanned
  if (count !== 2 && count !== 3) return 'bad_arguments'
  readSubject(view, 0)
  view.queueStart = count === 3 ? tokenStart(1) : 0
  view.queueEnd = count === 3 ? tokenEnd(1) : 0
  readSid(view, count - 1)
  return undefined
}

// UNSUB sid [max]; the server takes a max that it cannot read for "now".
function readUnsub(view: OperationRecord): WireErrorCode | undefined {
  const { count } = scanned
  if (count !== 1 && count !== 2) return 'bad_arguments'
  readSid(view, 0)
  view.max = count === 2 ? Math.max(0, sizeOf(view, 1)) : 0
  return undefined
}

// CONNECT {json} and INFO {json}: whether it is JSON is not looked at.
function readJson(view: OperationRecord, start: number): undefined {
  view.textStart = start
  view.textEnd = scanned.end
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

function readSubject(view: OperationRecord, token: number): void {
  view.subjectStart = tokenStart(token)
  view.subjectEnd = tokenEnd(token)
}

function readSid(view: OperationRecord, token: number): void {
  view.sidStart = tokenStart(token)
  view.sidEnd = tokenEnd(token)
}

function readReply(view: OperationRecord, token: number): void {
  view.replyStart = token < 0 ? 0 : tokenStart(token)
  view.replyEnd = token < 0 ? 0 : tokenEnd(token)
}

function readSize(view: OperationRecord, token: number, rules: LineRules): WireErrorCode | undefined {
  const total = sizeOf(view, token)
  if (total < 0) return 'bad_size'
  view.totalBytes = total
  return rules.maxPayloadBytes >= 0 && total > rules.maxPayloadBytes ? 'payload_too_large' : undefined
}

// In the order in which the server looks at them, so that the same fault is named.
function readSizes(view: OperationRecord, token: number, rules: LineRules): WireErrorCode | undefined {
  const header = sizeOf(view, token)
  const total = sizeOf(view, token + 1)
  if (header < 0 || total < 0) return 'bad_size'
  if (header > total) return 'bad_header_size'
  view.headerBytes = header
  view.totalBytes = total
  if (rules.maxHeaderBytes >= 0 && header > rules.maxHeaderBytes) return 'payload_too_large'
  return rules.maxPayloadBytes >= 0 && total > rules.maxPayloadBytes ? 'payload_too_large' : undefined
}

function sizeOf(view: OperationRecord, token: number): number {
  return parseSize(view.bytes, tokenStart(token), tokenEnd(token))
}

function tokenStart(token: number): number {
  return tokens[token * 2] as number
}

function tokenEnd(token: number): number {
  return tokens[token * 2 + 1] as number
}
