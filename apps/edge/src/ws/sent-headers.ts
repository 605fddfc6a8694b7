// SPDX-License-Identifier: Apache-2.0
import type { WsRequest } from '@nats-edge/ws-toolkit'
import type { ClientData } from './client-data.ts'
import { clientText, requestText } from './request-text.ts'
import type { Client } from './request-text.ts'

interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly forwardHeaders?: readonly string[]
}

type Connected = Client & { readonly data: ClientData }

/** Makes the function that gives the headers of a request towards a service; undefined: there are none. */
export function sentHeaders(
  config: Sent,
): ((request: WsRequest<ClientData>) => Readonly<Record<string, string>>) | undefined {
  const { headers = {}, forwardHeaders = [] } = config
  const templates = Object.entries(headers).map(([name, source]) => [name, requestText(source)] as const)
  if (templates.length === 0 && forwardHeaders.length === 0) return undefined
  return (request) => ({
    ...forwarded(forwardHeaders, request.connection.data),
    ...Object.fromEntries(templates.map(([name, text]) => [name, text(request)])),
  })
}

/** The same for a handshake with a service, which there is one of for a client. */
export function handshakeHeaders(
  config: Sent,
): ((connection: Connected) => Readonly<Record<string, string>>) | undefined {
  const { headers = {}, forwardHeaders = [] } = config
  const templates = Object.entries(headers).map(([name, source]) => [name, clientText(source)] as const)
  if (templates.length === 0 && forwardHeaders.length === 0) return undefined
  return (connection) => ({
    ...forwarded(forwardHeaders, connection.data),
    ...Object.fromEntries(templates.map(([name, text]) => [name, text(connection)])),
  })
}

function forwarded(names: readonly string[], { headers }: ClientData): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name.toLowerCase()]
    if (value !== undefined) found[name] = value
  }
  return found
}
