// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { parsePortsFile } from './broker-run.ts'
import { parseServerInfo, readServerInfo } from './server-info.ts'

function listen(greet: (socket: Socket) => unknown): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    greet(socket)
  })
  onTestFinished(() => void server.close())
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

const never = new AbortController().signal

describe('readServerInfo', () => {
  it('reads INFO that comes one byte at a time', async () => {
    const port = await listen(async (socket) => {
      for (const byte of Buffer.from('INFO {"version":"2.9.10","x":1}\r\nPING\r\n')) {
        await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
      }
    })
    expect(await readServerInfo('127.0.0.1', port, never)).toEqual({ version: '2.9.10' })
  })

  it.each([
    ['says something else', (socket: Socket) => void socket.write('SSH-2.0-x\r\n'), 'is not answered by a nats-server'],
    [
      'never ends its line',
      (socket: Socket) => void socket.write('x'.repeat(70_000)),
      'is not answered by a nats-server',
    ],
    ['closes', (socket: Socket) => void socket.end(), 'was closed before INFO came'],
  ])('rejects when the port %s', async (_case, greet, message) => {
    await expect(readServerInfo('127.0.0.1', await listen(greet), never)).rejects.toThrow(message)
  })

  it('ends with its signal', async () => {
    const port = await listen(() => {})
    await expect(readServerInfo('127.0.0.1', port, AbortSignal.timeout(30))).rejects.toMatchObject({
      name: 'AbortError',
    })
  })
})

describe('parseServerInfo', () => {
  it.each([
    ['INFO {"version":"2.15.2"}', { version: '2.15.2' }],
    ['INFO {"version":7}', undefined],
    ['INFO {}', undefined],
    ['INFO null', undefined],
    ['INFO {', undefined],
    ['PING', undefined],
    ['', undefined],
  ])('of %j is %j', (line, info) => {
    expect(parseServerInfo(line)).toEqual(info)
  })

  it('never throws', () => {
    const line = fc.oneof(fc.string(), fc.json()).map((text) => `INFO ${text}`)
    fc.assert(
      fc.property(line, (text) => {
        expect(['string', 'undefined']).toContain(typeof parseServerInfo(text)?.version)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})

describe('parsePortsFile', () => {
  it.each([
    ['{"nats":["nats://127.0.0.1:34483"]}', { port: 34_483, websocketPort: undefined }],
    ['{"nats":["nats://127.0.0.1:1"],"websocket":["ws://127.0.0.1:2"]}', { port: 1, websocketPort: 2 }],
    ['{"nats":["tls://127.0.0.1:4/"]}', { port: 4, websocketPort: undefined }],
    ['{"nats":["nats://127.0.0.1:344', undefined],
    ['{"nats":[]}', undefined],
    ['{"nats":[7]}', undefined],
    ['{"websocket":["ws://127.0.0.1:2"]}', undefined],
    ['null', undefined],
    ['', undefined],
  ])('of %j is %j', (text, ports) => {
    expect(parsePortsFile(text)).toEqual(ports)
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(['number', 'undefined']).toContain(typeof parsePortsFile(text)?.port)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
