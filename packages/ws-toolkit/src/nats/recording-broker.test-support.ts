// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import {
  encodeOperation,
  matches,
  Parser,
  parsePattern,
  parseSubject,
  type Operation,
  type WireError,
} from '@nats-edge/wire-parser'
import { onTestFinished } from 'vitest'

type Publish = Extract<Operation, { verb: 'PUB' | 'HPUB' }>

/** What a client of NATS has made of its requests. */
export interface RecordingBroker {
  readonly url: string
  /** Patterns that were subscribed to. */
  readonly patterns: string[]
  /** What could not be read: a real server would hang up, and so hide what was tried. */
  readonly faults: WireError[]
  /** What was published since the last call. */
  take(): Publish[]
}

const info = { server_id: 'recorder', version: '2.15.2', proto: 1, headers: true, max_payload: 1_048_576, port: 1 }

/** Starts a broker that only writes down, and answers every request with `"ok"`. */
export async function startRecordingBroker(): Promise<RecordingBroker> {
  const published: Publish[] = []
  const patterns: string[] = []
  const faults: WireError[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const sids = new Map<string, string>()
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write(`INFO ${JSON.stringify(info)}\r\n`)
    const parser = new Parser(
      { side: 'client' },
      {
        operation: (view) => {
          const operation = view.copy()
          if (operation.verb === 'PING') socket.write('PONG\r\n')
          if (operation.verb === 'SUB') {
            sids.set(operation.sid, operation.subject)
            patterns.push(operation.subject)
          }
          if (operation.verb !== 'PUB' && operation.verb !== 'HPUB') return
          published.push(operation)
          if (operation.replyTo !== undefined) answer(socket, sids, operation.replyTo)
        },
        error: (error) => faults.push(error),
      },
    )
    socket.on('data', (chunk) => parser.push(chunk))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `nats://127.0.0.1:${port}`, patterns, faults, take: () => published.splice(0) }
}

function answer(socket: Socket, sids: ReadonlyMap<string, string>, replyTo: string): void {
  const subject = parseSubject(replyTo)
  for (const [sid, text] of sids) {
    const pattern = parsePattern(text)
    if (subject === undefined || pattern === undefined || !matches(pattern, subject)) continue
    socket.write(encodeOperation({ verb: 'MSG', subject: replyTo, sid, payload: Buffer.from('"ok"') }))
  }
}
