// SPDX-License-Identifier: Apache-2.0
import type { FindStep } from './search.ts'

/** Why a broker could not be found, installed or started. */
export type NatsServerErrorCode =
  | 'not_found'
  | 'bad_binary'
  | 'start_failed'
  | 'start_timeout'
  | 'data_dir_in_use'
  | 'unsupported_platform'

/** The only error this package throws for what goes wrong outside the program; `code` says what, the message what to do. */
export class NatsServerError extends Error {
  override readonly name: string = 'NatsServerError'
  readonly code: NatsServerErrorCode
  /** The last lines the broker logged, oldest first; empty when it never ran. */
  readonly log: readonly string[]

  constructor(code: NatsServerErrorCode, message: string, options: { cause?: unknown; log?: readonly string[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.log = options.log ?? []
  }
}

/** No nats-server was found and none could be installed; the message lists every step's result and what a person can do. */
export class NatsServerNotFound extends NatsServerError {
  override readonly name: string = 'NatsServerNotFound'
  /** What each step of the search ended with, in order. */
  readonly steps: readonly FindStep[]

  constructor(version: string, steps: readonly FindStep[]) {
    const results = steps.map(({ step, text }) => `  ${step.padEnd(8)} ${text}`)
    super(
      'not_found',
      [`no nats-server within "${version}" was found or could be installed:`, ...results, ...advice].join('\n'),
    )
    this.steps = steps
  }
}

const advice = [
  'What you can do:',
  '  - set NATS_SERVER_BIN to the path of a nats-server you have',
  '  - install one by hand (https://docs.nats.io/running-a-nats-service/introduction/installation) and start again',
  '  - run a broker anywhere and point nats.servers at it',
]
