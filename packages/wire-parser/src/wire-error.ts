// SPDX-License-Identifier: Apache-2.0

/** Everything that can be wrong with a NATS client connection. */
export type WireErrorCode =
  | 'unknown_operation'
  | 'bad_line_end'
  | 'bad_arguments'
  | 'bad_size'
  | 'bad_header_size'
  | 'bad_connect'
  | 'headers_disabled'
  | 'bare_cr'
  | 'peer_error'
  | 'control_line_too_long'
  | 'payload_too_large'
  | 'authorization'
  | 'auth_timeout'
  | 'auth_expired'
  | 'auth_revoked'
  | 'too_many_connections'
  | 'backend_unavailable'
  | 'too_many_subscriptions'
  | 'publish_denied'
  | 'subscribe_denied'
  | 'reply_denied'
  | 'rate_limited'
  | 'slow_consumer'
  | 'backend_lost'
  | 'stale'
  | 'shutdown'
  | 'internal'

interface Outcome {
  /** What `-ERR '…'` says in the server's words; undefined where the server says nothing. */
  readonly text?: string
  readonly closes: boolean
  /** Close code of a WebSocket, as nats-server chooses it; meaningless where the connection stays open. */
  readonly webSocketCode: number
}

const unknownOperation = { text: 'Unknown Protocol Operation', closes: true, webSocketCode: 1002 }
const silent = { closes: true, webSocketCode: 1002 }

const outcomes: Readonly<Record<WireErrorCode, Outcome>> = {
  unknown_operation: unknownOperation,
  bad_line_end: unknownOperation,
  bad_arguments: silent,
  bad_size: silent,
  bad_header_size: silent,
  bad_connect: silent,
  headers_disabled: silent,
  bare_cr: silent,
  peer_error: silent,
  control_line_too_long: { text: 'maximum control line exceeded', closes: true, webSocketCode: 1002 },
  payload_too_large: { text: 'Maximum Payload Violation', closes: true, webSocketCode: 1009 },
  authorization: { text: 'Authorization Violation', closes: true, webSocketCode: 1008 },
  auth_timeout: { text: 'Authentication Timeout', closes: true, webSocketCode: 1008 },
  auth_expired: { text: 'User Authentication Expired', closes: true, webSocketCode: 1008 },
  auth_revoked: { text: 'User Authentication Revoked', closes: true, webSocketCode: 1008 },
  too_many_connections: { text: 'maximum connections exceeded', closes: true, webSocketCode: 1008 },
  backend_unavailable: { text: 'No Backend Available', closes: true, webSocketCode: 1011 },
  too_many_subscriptions: { text: 'maximum subscriptions exceeded', closes: false, webSocketCode: 1008 },
  publish_denied: { text: 'Permissions Violation for Publish', closes: false, webSocketCode: 1008 },
  subscribe_denied: { text: 'Permissions Violation for Subscription', closes: false, webSocketCode: 1008 },
  reply_denied: { text: 'Permissions Violation for Publish with Reply', closes: false, webSocketCode: 1008 },
  rate_limited: { text: 'Rate Limit Exceeded', closes: false, webSocketCode: 1008 },
  slow_consumer: { closes: true, webSocketCode: 1008 },
  backend_lost: { closes: true, webSocketCode: 1001 },
  stale: { text: 'Stale Connection', closes: true, webSocketCode: 1001 },
  shutdown: { closes: true, webSocketCode: 1001 },
  internal: { text: 'Internal Gateway Error', closes: true, webSocketCode: 1011 },
}

/** What may be said differently from the table of a code. */
export interface WireErrorOptions {
  /** What the client is told, such as `Permissions Violation for Publish to "a"`. Default: the text of the code. */
  readonly text?: string
  /** Whether the connection ends. Default: as the code says, which for all but the denials is true. */
  readonly closes?: boolean
  readonly cause?: unknown
}

/** What is wrong with a connection or its input, with what the server would tell the client and whether it closes. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireErrorCode
  /** What `-ERR '…'` says, without the quotes; undefined where nothing is sent. */
  readonly text: string | undefined
  readonly closes: boolean
  /** The close code of a WebSocket connection that ends with this error. */
  readonly webSocketCode: number

  constructor(code: WireErrorCode, message: string, options: WireErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const outcome = outcomes[code]
    this.code = code
    this.text = options.text ?? outcome.text
    this.closes = options.closes ?? outcome.closes
    this.webSocketCode = outcome.webSocketCode
  }
}
