// SPDX-License-Identifier: Apache-2.0
import { type VerbCode, verbName } from './operation.ts'
import { WireError } from './wire-error.ts'

/** What a parser can refuse. */
export type ParserFault =
  | 'authorization'
  | 'unknown_operation'
  | 'control_line_too_long'
  | 'bad_arguments'
  | 'bad_size'
  | 'bad_header_size'
  | 'headers_disabled'
  | 'payload_too_large'
  | 'bad_line_end'
  | 'peer_error'

const reasons: Readonly<Record<ParserFault, string>> = {
  authorization: 'comes before CONNECT',
  unknown_operation: 'goes on as no operation does',
  control_line_too_long: 'has a control line that is longer than allowed',
  bad_arguments: 'has too few arguments, or too many',
  bad_size: 'has a size that is not one to nine digits',
  bad_header_size: 'has headers that are longer than the whole',
  headers_disabled: 'came without headers: true in CONNECT',
  payload_too_large: 'has headers and a payload that are longer than allowed',
  bad_line_end: 'has no CR LF behind its payload',
  peer_error: 'came from the client, which ends the connection',
}

/** Puts a fault into words; `verb` is undefined where it is what is wrong. */
export function parserError(fault: ParserFault, verb: VerbCode | undefined): WireError {
  return new WireError(fault, `${verb === undefined ? 'the input' : verbName(verb)} ${reasons[fault]}`)
}
