// SPDX-License-Identifier: Apache-2.0
import type { Outgoing } from '../frame.ts'
import type { WsError } from '../ws-error.ts'

/** What a client counts its requests by. */
export type RequestId = string | number

/** The request an answer belongs to. */
export interface ReplyTo {
  readonly id: RequestId | undefined
  readonly key: string
}

/** What a message turned out to be. */
export type Incoming =
  | { readonly type: 'request'; readonly id: RequestId | undefined; readonly key: string; readonly data: unknown }
  | { readonly type: 'batch'; readonly items: readonly Incoming[] }
  /** The client's answer to `connection.request()`. */
  | {
      readonly type: 'answer'
      readonly id: RequestId
      readonly result: unknown
      readonly error: WsError | undefined
      /** What it is where the client was never asked that; undefined: nothing to answer. */
      readonly otherwise?: WsError
    }
  /** The client wants no answer to this request any more. */
  | { readonly type: 'cancel'; readonly id: RequestId }
  /** One item of a batch that is no request. */
  | { readonly type: 'invalid'; readonly id: RequestId | undefined; readonly error: WsError }
  /** Counted, not answered. */
  | { readonly type: 'ignored' }

/** The words of a channel: turns messages into requests, and answers into messages. */
export interface Codec {
  readonly name: string
  /** The opcode of what it writes; undefined: strings leave as text, bytes as binary. */
  readonly binary: boolean | undefined
  /** Whether `error()` has words; without, an error closes the connection by the table of codes, or nobody is told. */
  readonly answersErrors: boolean
  /** Throws WsError (`parse_error`, `invalid_request`, `unsupported_data`); other errors count as `parse_error`. */
  decode(bytes: Buffer, binary: boolean): Incoming | Promise<Incoming>
  /** The answer with `value`; undefined: there is none. */
  reply(to: ReplyTo, value: unknown): Outgoing | undefined
  /** One of several answers. */
  item(to: ReplyTo, value: unknown): Outgoing | undefined
  /** What follows the last of several answers. */
  end(to: ReplyTo): Outgoing | undefined
  /** The answer with an error; undefined: it is not answered. `to` is undefined where the message could not be decoded. */
  error(to: ReplyTo | undefined, error: WsError): Outgoing | undefined
  /** Answers to the requests of one message, as one message. */
  batch?(answers: readonly Outgoing[]): Outgoing
  /** A request to the client; absent: these words have none. */
  call?(id: RequestId, method: string, params: unknown): Outgoing
  /** An event to the client; absent: these words have none. */
  notice?(method: string, params: unknown): Outgoing
}
