// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import { rawRequest } from './raw-request.ts'

const SLASH = 0x2f
const ASTERISK = 0x2a

/** What a request smuggler sends and node:http lets through. */
export type FramingFault = 'duplicate_host' | 'transfer_encoding_http10' | 'absolute_form'

/** Finds the framing faults node:http accepts; whoever gets one answers 400 and closes the connection. */
export function framingFault(c: Context): FramingFault | undefined {
  const { incoming } = rawRequest(c)
  return incoming === undefined ? undefined : framingFaultOf(incoming)
}

/** Finds the same faults before there is a Context. */
export function framingFaultOf(incoming: IncomingMessage): FramingFault | undefined {
  const { rawHeaders } = incoming
  let hosts = 0
  let transferEncoding = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    // Compared by length first: this runs for every request, and few names are as long as these two.
    if (name?.length === 4) hosts += Number(name.toLowerCase() === 'host')
    else if (name?.length === 17) transferEncoding ||= name.toLowerCase() === 'transfer-encoding'
  }
  if (hosts > 1) return 'duplicate_host'
  if (transferEncoding && incoming.httpVersion === '1.0') return 'transfer_encoding_http10'
  const first = incoming.url?.charCodeAt(0)
  return first === SLASH || first === ASTERISK ? undefined : 'absolute_form'
}
