// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { ProxyError } from './proxy-error.ts'
import type { ProxyRequest } from './proxy-request.ts'

/** Receives the whole body, or why there is none. A client that leaves is the business of whoever watches the socket. */
export type BodyReceiver = (body: Uint8Array | ProxyError) => void

const empty: Uint8Array = new Uint8Array(0)

/**
 * Reads the body up to `maxBytes`: by Content-Length where it is known, else by counting. Synchronous where there is no
 * body. `raw` reads node's own stream, which is only right where nothing else may have read from it.
 */
export function readBody(request: ProxyRequest, maxBytes: number, raw: boolean, receive: BodyReceiver): void {
  const { incoming, contentLength, method } = request
  if (contentLength !== undefined && contentLength > maxBytes) {
    receive(tooLarge(maxBytes))
    return
  }
  if (incoming !== undefined) {
    if (!request.chunked && (contentLength === undefined || contentLength === 0)) {
      receive(empty)
      return
    }
    // A Request never has the body of a GET or HEAD, so for those the stream is untouched on every host.
    if (raw || method === 'GET' || method === 'HEAD') {
      readIncoming(incoming, maxBytes, receive)
      return
    }
  }
  readRequest(request, maxBytes).then(receive, (error: unknown) => {
    receive(error instanceof ProxyError ? error : unreadable(error))
  })
}

function readIncoming(incoming: IncomingMessage, maxBytes: number, receive: BodyReceiver): void {
  let first: Buffer | undefined
  let chunks: Buffer[] | undefined
  let size = 0
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    if (size > maxBytes) {
      finish(tooLarge(maxBytes))
      return
    }
    if (first === undefined) first = chunk
    else (chunks ??= [first]).push(chunk)
  }
  const onEnd = (): void => finish(chunks === undefined ? (first ?? empty) : Buffer.concat(chunks, size))
  const onError = (error: Error): void => finish(unreadable(error))
  const finish = (result: Uint8Array | ProxyError): void => {
    incoming.off('data', onData).off('end', onEnd).off('error', onError)
    // What is left of a refused body is read and thrown away, else the answer would not get out.
    if (result instanceof ProxyError) incoming.resume().on('error', ignore)
    receive(result)
  }
  incoming.on('data', onData).on('end', onEnd).on('error', onError)
}

async function readRequest(request: ProxyRequest, maxBytes: number): Promise<Uint8Array> {
  const { raw } = request.context.req
  // A length that node's parser enforces, and a body that a middleware has read, are bounded already.
  if ((request.incoming !== undefined && request.contentLength !== undefined) || raw.bodyUsed)
    return checked(await request.context.req.arrayBuffer(), maxBytes)
  if (raw.body === null) return empty
  const reader = raw.body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > maxBytes) {
      reader.cancel().catch(ignore)
      throw tooLarge(maxBytes)
    }
    chunks.push(value)
  }
  return chunks.length === 1 ? (chunks[0] ?? empty) : Buffer.concat(chunks, size)
}

function checked(buffer: ArrayBuffer, maxBytes: number): Uint8Array {
  if (buffer.byteLength > maxBytes) throw tooLarge(maxBytes)
  return new Uint8Array(buffer)
}

function ignore(): void {}

export function tooLarge(maxBytes: number): ProxyError {
  return new ProxyError('body_too_large', { detail: `The body may have at most ${maxBytes} bytes.`, closes: true })
}

function unreadable(cause: unknown): ProxyError {
  return new ProxyError('bad_request', { detail: 'The body could not be read to its end.', cause, closes: true })
}
