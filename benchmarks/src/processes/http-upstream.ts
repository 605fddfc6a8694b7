// SPDX-License-Identifier: Apache-2.0
// The HTTP service behind the servers of the WebSocket rows: answers with the body it is sent, and counts connections.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { announceReady, answerCommands } from '../command-channel.ts'

let connections = 0
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    response.end(body)
  })
})
// Longer than any run: a connection is closed by who opened it.
server.keepAliveTimeout = 600_000
server.on('connection', () => (connections += 1))
answerCommands({ connections: () => connections })
server.listen(0, '127.0.0.1', () => announceReady({ port: (server.address() as AddressInfo).port }))
