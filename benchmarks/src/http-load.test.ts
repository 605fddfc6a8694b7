// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type HttpLoadOptions, runHttpLoad } from './http-load.ts'
import { encodeHttpRequest } from './http-request.ts'

const opened: Server[] = []

afterEach(async () => {
  for (const server of opened.splice(0)) {
    if ('closeAllConnections' in server && typeof server.closeAllConnections === 'function')
      server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
})

async function listen(server: Server): Promise<number> {
  opened.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const listenHttp = (listener: RequestListener): Promise<number> => listen(createServer(listener))

function load(port: number, options: Partial<HttpLoadOptions> = {}) {
  const request = encodeHttpRequest({ method: 'GET', path: '/a?b', host: 'x' })
  return runHttpLoad({ host: '127.0.0.1', port, request, connections: 3, durationMs: 100, ...options })
}

describe('runHttpLoad', () => {
  it('counts exactly the answers that the server gave', async () => {
    let requests = 0
    const port = await listenHttp((_request, response) => {
      requests += 1
      response.end('hello')
    })
    const result = await load(port, { durationMs: 500 })
    expect(result.operations).toBe(requests)
    expect(result.operations).toBeGreaterThan(3)
    expect(result.errors).toEqual({})
    expect(result.latencyCounts.reduce((sum, count) => sum + count, 0)).toBe(requests)
  })

  it('sends the request byte for byte, body included, over as many connections as asked for', async () => {
    const seen = new Set<string>()
    const sockets = new Set<Socket>()
    const port = await listenHttp((request, response) => {
      sockets.add(request.socket)
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        seen.add(
          `${request.method} ${request.url} ${request.headers['content-type']} ${Buffer.concat(chunks).toString()}`,
        )
        response.end()
      })
    })
    await load(port, {
      request: encodeHttpRequest({ method: 'POST', path: '/p', host: 'x', body: '{"ä":1}' }),
      connections: 7,
    })
    expect([...seen]).toEqual(['POST /p application/json {"ä":1}'])
    expect(sockets.size).toBe(7)
  })

  it('never has more than one request outstanding on a connection', async () => {
    const busy = new Set<Socket>()
    let overlaps = 0
    const port = await listenHttp((request, response) => {
      if (busy.has(request.socket)) overlaps += 1
      busy.add(request.socket)
      setImmediate(() => {
        busy.delete(request.socket)
        response.end()
      })
    })
    await load(port)
    expect(overlaps).toBe(0)
  })

  it('counts answers other than 2xx as errors by their status', async () => {
    let requests = 0
    const port = await listenHttp((_request, response) => {
      response.statusCode = requests++ === 0 ? 503 : 204
      response.end()
    })
    const result = await load(port)
    expect(result.errors).toEqual({ 'status 503': 1 })
    expect(result.operations).toBe(requests - 1)
  })

  it('counts a connection that ends without its answer and goes on with the others', async () => {
    let requests = 0
    const port = await listenHttp((request, response) => {
      requests += 1
      if (requests === 1) request.socket.destroy()
      else response.end()
    })
    const result = await load(port)
    expect(result.errors).toEqual({ 'closed by the server': 1 })
    expect(result.operations).toBe(requests - 1)
  })

  it('ends at once when no connection is left', async () => {
    const port = await listenHttp((request) => request.socket.resetAndDestroy())
    const result = await load(port, { durationMs: 200_000 })
    expect(Object.values(result.errors)).toEqual([3])
    expect(result.operations).toBe(0)
    expect(result.seconds).toBeLessThan(10)
  })

  it('reports a server that nobody can connect to', async () => {
    const port = await listenHttp(() => {})
    await new Promise((resolve) => opened.splice(0)[0]?.close(resolve))
    const result = await load(port)
    expect(Object.keys(result.errors).join()).toContain('ECONNREFUSED')
    expect(Object.values(result.errors)).toEqual([3])
  })

  it('gives up on answers that never come', async () => {
    const port = await listenHttp(() => {})
    const result = await load(port, { durationMs: 20, drainMs: 20 })
    expect(result).toMatchObject({ operations: 0, errors: { 'no answer': 3 } })
  })

  it('counts answers it cannot read', async () => {
    const port = await listenHttp((_request, response) => {
      response.write('a')
      response.end('b')
    })
    expect((await load(port)).errors).toEqual({ 'chunked response': 3 })
  })

  it('counts an answer nobody asked for', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write(answer + answer))
    })
    const result = await load(await listen(server))
    expect(result).toMatchObject({ operations: 0, errors: { 'more responses than requests': 3 } })
  })
})
