// SPDX-License-Identifier: Apache-2.0
import { type HeaderPolicy, isFraming } from '../header-rules.ts'
import { canonicalHeaderName } from './nats-proxy.ts'

const nothing: ReadonlySet<string> = new Set()
const credentials: ReadonlySet<string> = new Set(['cookie', 'authorization'])
const clientState: ReadonlySet<string> = new Set(['set-cookie', 'location'])

/** Everything as it came, except what belongs to the connection, is derived anew, or speaks in the proxy's name. */
const natsProxyRequest: HeaderPolicy = {
  base: 'all',
  onlyByName: nothing,
  isForbidden: (name) =>
    name === 'host' || name === 'transfer-encoding' || name === 'trailer' || name.startsWith('nats-edge-'),
  spell: canonicalHeaderName,
}

const natsProxyReply: HeaderPolicy = {
  base: 'all',
  onlyByName: nothing,
  isForbidden: isFraming,
  spell: (name) => name,
}

/** A list of harmless names; `Nats-*` and the status line would be read by servers and clients of NATS. */
const headersRequest: HeaderPolicy = {
  base: new Set([
    'accept',
    'accept-language',
    'content-type',
    'content-encoding',
    'if-match',
    'if-none-match',
    'if-modified-since',
    'range',
    'idempotency-key',
    'traceparent',
    'tracestate',
  ]),
  onlyByName: credentials,
  isForbidden: (name) => isFraming(name) || name === 'host' || name === 'status' || name.startsWith('nats-'),
  spell: (name) => (isTraceHeader(name.toLowerCase()) ? name.toLowerCase() : canonicalHeaderName(name)),
}

const headersReply: HeaderPolicy = {
  base: new Set([
    'content-type',
    'content-language',
    'content-encoding',
    'cache-control',
    'etag',
    'last-modified',
    'expires',
    'vary',
    'retry-after',
  ]),
  onlyByName: clientState,
  isForbidden: (name) => isFraming(name) || name === 'status' || name.startsWith('nats-'),
  spell: (name) => name,
}

/** What the envelope passes of itself in one direction. */
export function policyOf(envelope: 'nats-proxy' | 'headers' | 'publish', direction: 'request' | 'reply'): HeaderPolicy {
  if (envelope === 'nats-proxy') return direction === 'request' ? natsProxyRequest : natsProxyReply
  return direction === 'request' ? headersRequest : headersReply
}

/** W3C Trace Context names are lower-case in NATS headers, where case counts. */
function isTraceHeader(lowerName: string): boolean {
  return lowerName === 'traceparent' || lowerName === 'tracestate'
}
