// SPDX-License-Identifier: Apache-2.0

export interface HttpRequestFields {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly host: string
  readonly body?: string
}

/** Builds the bytes of one HTTP/1.1 request with the headers a small JSON client sends. */
export function encodeHttpRequest(fields: HttpRequestFields): Uint8Array {
  const head = [
    `${fields.method} ${fields.path} HTTP/1.1`,
    `Host: ${fields.host}`,
    'Accept: application/json',
    'User-Agent: nats-edge-bench',
  ]
  if (fields.body !== undefined) {
    head.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(fields.body)}`)
  }
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${fields.body ?? ''}`)
}
