// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { framingFaultOf, type FramingFault } from './framing.ts'
import type { UpgradeRefusal } from './refusal.ts'

// RFC 6455, 4.1: 16 bytes in base64.
const keyPattern = /^[+/0-9A-Za-z]{22}==$/
// RFC 9110, 5.6.2.
const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const framingDetail: Readonly<Record<FramingFault, string>> = {
  duplicate_host: 'the request has more than one Host header; send one',
  transfer_encoding_http10: 'Transfer-Encoding is not allowed in an HTTP/1.0 request; use HTTP/1.1',
  absolute_form: 'the request target is an absolute URL; send the path only',
}

/** Finds what is wrong with an opening handshake (RFC 6455, 4.2.1), cheapest check first. */
export function handshakeFault(incoming: IncomingMessage): UpgradeRefusal | undefined {
  const framing = framingFaultOf(incoming)
  if (framing !== undefined) return { code: 'bad_request', detail: framingDetail[framing] }
  const { headers, method } = incoming
  if (method !== 'GET') {
    return { code: 'method_not_allowed', detail: 'a WebSocket handshake is a GET request', headers: { Allow: 'GET' } }
  }
  if (incoming.httpVersionMajor === 1 && incoming.httpVersionMinor === 0)
    return bad('a WebSocket handshake needs HTTP/1.1')
  if (hasBody(incoming))
    return bad('a WebSocket handshake has no body: send neither Content-Length nor Transfer-Encoding')
  if (headers['sec-websocket-version'] !== '13') {
    return {
      code: 'unsupported_version',
      detail: 'only WebSocket version 13 is spoken here',
      headers: { 'Sec-WebSocket-Version': '13' },
    }
  }
  if (!keyPattern.test(headers['sec-websocket-key'] ?? '')) {
    return bad('Sec-WebSocket-Key is missing or is not 16 bytes in base64')
  }
  if (offeredSubprotocols(incoming) === undefined)
    return bad('Sec-WebSocket-Protocol is not a list of different tokens')
  return undefined
}

/** Reads the subprotocols the client offers, in its order of preference; undefined when the header is malformed. */
export function offeredSubprotocols(incoming: IncomingMessage): readonly string[] | undefined {
  const header = incoming.headers['sec-websocket-protocol']
  if (header === undefined) return []
  const offers = header.split(',').map((offer) => offer.trim())
  return offers.every(isSubprotocol) && new Set(offers).size === offers.length ? offers : undefined
}

/** Says whether `text` can stand in Sec-WebSocket-Protocol. */
export function isSubprotocol(text: string): boolean {
  return tokenPattern.test(text)
}

// Node hands the bytes of such a body over as if they were the first frames.
function hasBody(incoming: IncomingMessage): boolean {
  const length = incoming.headers['content-length']
  return incoming.headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0)
}

function bad(detail: string): UpgradeRefusal {
  return { code: 'bad_request', detail }
}
