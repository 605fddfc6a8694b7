// SPDX-License-Identifier: Apache-2.0
import type { DispatchedRequest } from './http-dispatcher.ts'

const unsafe = /[\r\n\0]/

/** Writes a request out, head and body in one piece; throws TypeError for what would end a line early. */
export function requestBytes(host: string, { method, path, headers, body }: DispatchedRequest): string | Buffer {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  if (unsafe.test(method) || unsafe.test(path)) throw new TypeError('httpPool: method and path are one line')
  for (const name in headers) {
    const value = headers[name] ?? ''
    if (unsafe.test(name) || unsafe.test(value))
      throw new TypeError(`httpPool: the header ${JSON.stringify(name)} is one line`)
    head += `${name}: ${value}\r\n`
  }
  if (body === null) return `${head}${bodiless.has(method) ? '' : 'content-length: 0\r\n'}\r\n`
  if (typeof body === 'string') return `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  head += `content-length: ${body.length}\r\n\r\n`
  const bytes = Buffer.allocUnsafe(head.length + body.length)
  bytes.write(head, 'latin1')
  bytes.set(body, head.length)
  return bytes
}

const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'])
