// SPDX-License-Identifier: Apache-2.0

interface Body {
  readonly subject: string
  readonly replyTo?: string
  readonly payload: Uint8Array
}

/** One operation of the NATS client protocol as a value, with the fields its verb has. */
export type Operation =
  | { readonly verb: 'CONNECT' | 'INFO'; readonly json: Uint8Array }
  | { readonly verb: 'PING' | 'PONG' | '+OK' }
  | { readonly verb: '-ERR'; readonly text: string }
  | ({ readonly verb: 'PUB' } & Body)
  | ({ readonly verb: 'HPUB'; readonly headers: Uint8Array } & Body)
  | ({ readonly verb: 'MSG'; readonly sid: string } & Body)
  | ({ readonly verb: 'HMSG'; readonly sid: string; readonly headers: Uint8Array } & Body)
  | { readonly verb: 'SUB'; readonly subject: string; readonly queue?: string; readonly sid: string }
  | { readonly verb: 'UNSUB'; readonly sid: string; readonly max?: number }

/** The verbs as the small integers `OperationView.verb` holds. */
export const Verb = {
  PUB: 1,
  HPUB: 2,
  MSG: 3,
  HMSG: 4,
  SUB: 5,
  UNSUB: 6,
  CONNECT: 7,
  INFO: 8,
  ERR: 9,
  PING: 10,
  PONG: 11,
  OK: 12,
} as const

/** One of the integers of `Verb`. */
export type VerbCode = (typeof Verb)[keyof typeof Verb]

const names: readonly Operation['verb'][] = [
  'PUB',
  'HPUB',
  'MSG',
  'HMSG',
  'SUB',
  'UNSUB',
  'CONNECT',
  'INFO',
  '-ERR',
  'PING',
  'PONG',
  '+OK',
]

/** How the protocol writes a verb. */
export function verbName(verb: VerbCode): Operation['verb'] {
  return names[verb - 1] as Operation['verb']
}

/**
 * The operation at hand, as offsets into `bytes`. The parser has one view and reuses it, so it is valid during the call
 * that hands it out; `copy()` gives an `Operation` to keep. A part that the operation does not have is empty.
 */
export interface OperationView {
  readonly verb: VerbCode
  /** The chunk that was pushed, or the parser's own buffer for an operation that began in an earlier one. */
  readonly bytes: Uint8Array
  /** Where the operation begins in `bytes`, and where its control line ends, line end included. */
  readonly start: number
  readonly lineEnd: number
  /**
   * Whether CR or LF stands inside the argument. How the server reads such a line depends on how its reads are split, so
   * nothing that looks at subjects may let it pass.
   */
  readonly bareCr: boolean
  /** Whether the payload went through `ParserSink.bytes`: then `bytes` holds the control line only. */
  readonly streamed: boolean
  readonly subjectStart: number
  readonly subjectEnd: number
  readonly replyStart: number
  readonly replyEnd: number
  readonly queueStart: number
  readonly queueEnd: number
  readonly sidStart: number
  readonly sidEnd: number
  /** The JSON of CONNECT and INFO; the text of -ERR without its quotes. */
  readonly textStart: number
  readonly textEnd: number
  /** The header block; the payload behind it ends at `payloadEnd`. Empty in `head` and when streamed. */
  readonly headersStart: number
  readonly payloadStart: number
  readonly payloadEnd: number
  /** As the control line says it: -1 for verbs without headers. */
  readonly headerBytes: number
  /** As the control line says it, headers included. */
  readonly totalBytes: number
  /** UNSUB: after how many deliveries; 0 means now, which is also what the server makes of a number it cannot read. */
  readonly max: number

  /** The strings are UTF-8, or one character per byte where `isUtf8` is false. */
  readonly subject: string
  readonly replyTo: string | undefined
  readonly queue: string | undefined
  readonly sid: string
  readonly text: string
  /** Whether subject, reply, queue and sid are well-formed UTF-8; where not, their strings must not be compared. */
  readonly isUtf8: boolean
  /** Views into `bytes`. */
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly json: Uint8Array
  copy(): Operation
}
