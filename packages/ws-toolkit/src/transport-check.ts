// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import { Duplex, Writable } from 'node:stream'
import { WebSocketServer } from 'ws'
import { FlushList } from './flush-list.ts'
import { frameOf } from './frame.ts'
import { takeDirectly } from './receive-shortcut.ts'
import { RouteSocket, type SocketOwner } from './upgrade/route-socket.ts'
import { Wire } from './wire.ts'

// Both sides of every border in a frame's length.
const sizes = [0, 1, 125, 126, 65_535, 65_536]

let known: { readonly fault: string | undefined } | undefined

/**
 * Says why messages must go through `ws`, if they must: in memory, it sends messages by both ways and looks whether the
 * bytes are the same, and whether a close frame lets its owner write before it.
 */
export function transportFault(): string | undefined {
  known ??= { fault: faultOf(RouteSocket) }
  return known.fault
}

/** The same for any class of sockets. */
export function faultOf(socketClass: typeof RouteSocket): string | undefined {
  try {
    const { ws, stream } = openInMemory(socketClass)
    return framingFault(ws, stream) ?? receivingFault(ws, stream) ?? closingFault(ws, stream)
  } catch (error) {
    return `the check failed: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** A stream that keeps what is written to it and never has anything to read. */
class MemoryStream extends Duplex {
  #written: Buffer[] = []

  takeWritten(): Buffer {
    const written = Buffer.concat(this.#written)
    this.#written = []
    return written
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#written.push(chunk)
    done()
  }
}

function openInMemory(socketClass: typeof RouteSocket): { ws: RouteSocket; stream: MemoryStream } {
  const server = new WebSocketServer({ noServer: true, clientTracking: false, WebSocket: socketClass })
  const stream = new MemoryStream()
  const headers = {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }
  let ws: RouteSocket | undefined
  // ws reads no more of a request than this.
  server.handleUpgrade(
    { method: 'GET', url: '/', headers } as unknown as IncomingMessage,
    stream,
    Buffer.alloc(0),
    (open) => {
      ws = open
    },
  )
  if (ws === undefined) throw new Error('no handshake')
  stream.takeWritten()
  return { ws, stream }
}

function framingFault(ws: RouteSocket, stream: MemoryStream): string | undefined {
  const wire = new Wire(ws, stream, { isPlain: false, compression: false })
  const batch = new FlushList()
  for (const size of sizes) {
    for (const binary of [false, true]) {
      const payload = Buffer.alloc(size, 'x')
      ws.send(payload, { binary })
      const expected = stream.takeWritten()
      const frame = frameOf(payload, binary)
      wire.write([frame], frame.size, batch, undefined)
      if (!stream.takeWritten().equals(expected))
        return `ws frames ${size} bytes of ${binary ? 'binary' : 'text'} in another way`
    }
  }
  return undefined
}

// Two messages, one behind a ping in the same chunk, and one that is cut.
const received = ['8181000000006189800000000081810000000062818100', '00000063']

function receivingFault(ws: RouteSocket, stream: MemoryStream): string | undefined {
  const heard: string[] = []
  const hear = (bytes: unknown): void => void heard.push(String(bytes))
  if (!takeDirectly(ws, { received: hear, isBusy: false, outbox: { beginTurn: ignore, endTurn: ignore } }))
    return undefined
  ws.owner = { ...nobody, received: hear }
  const receiver: unknown = Reflect.get(ws, '_receiver')
  if (!(receiver instanceof Writable)) return undefined
  for (const chunk of received) receiver.write(Buffer.from(chunk, 'hex'))
  // The pong.
  stream.takeWritten()
  return heard.join() === 'a,b,c' ? undefined : 'ws reads in another way'
}

function closingFault(ws: RouteSocket, stream: MemoryStream): string | undefined {
  const last = frameOf('last')
  ws.owner = { ...nobody, beforeClose: () => stream.write(last.encode()) }
  ws.close(1000)
  const written = stream.takeWritten()
  ws.terminate()
  return written.subarray(0, last.size).equals(last.encode()) && written[last.size] === 0x88
    ? undefined
    : 'ws closes without asking first'
}

const nobody: SocketOwner = { received: ignore, pinged: ignore, ponged: ignore, beforeClose: ignore, gone: ignore }

function ignore(): void {}
