// SPDX-License-Identifier: Apache-2.0
import type { IncomingHttpHeaders } from 'node:http'

/** The answer to a handshake that was not a 101. */
export class HandshakeRefused extends Error {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string

  constructor(status: number, headers: IncomingHttpHeaders, body: string) {
    super(`the handshake was refused with ${status}: ${body}`)
    this.name = 'HandshakeRefused'
    this.status = status
    this.headers = headers
    this.body = body
  }

  /** The code of the problem the body tells of; undefined when it tells of none. */
  get code(): string | undefined {
    try {
      const problem: unknown = JSON.parse(this.body)
      if (typeof problem !== 'object' || problem === null || !('code' in problem)) return undefined
      return typeof problem.code === 'string' ? problem.code : undefined
    } catch {
      return undefined
    }
  }
}
