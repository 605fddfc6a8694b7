// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { decodeInfo, type ServerInfo } from '../connect-json.ts'
import { type OperationView, Verb } from '../operation.ts'
import { Parser } from '../parser.ts'
import { WireError } from '../wire-error.ts'
import type { ResolvedLimits } from './gateway-limits.ts'
import type { ReadBuffer } from './read-buffer.ts'

/** The first INFO of a server. */
export interface Greeting {
  readonly json: Uint8Array
  readonly info: ServerInfo
  /** What came behind it in the same read. */
  readonly rest: Uint8Array
}

/** Reads a server's first INFO and pauses the socket behind it; rejects if it says or does anything else. */
export function readGreeting(
  socket: Socket,
  source: ReadBuffer | undefined,
  { maxInfoBytes }: ResolvedLimits,
): Promise<Greeting> {
  const greeting = new Promise<Greeting>((resolve, reject) => {
    let found: { json: Uint8Array; info: ServerInfo; end: number } | undefined
    const parser = new Parser(
      { side: 'server', limits: { maxInfoBytes } },
      {
        operation: (view, _start, end) => {
          parser.stop()
          const info = view.verb === Verb.INFO ? decodeInfo(view.json) : undefined
          if (info === undefined) reject(refusal(view))
          else found = { json: new Uint8Array(view.json), info, end }
        },
        error: reject,
      },
    )
    const take = (chunk: Uint8Array): boolean => {
      parser.push(chunk)
      if (found === undefined) return false
      const { json, info, end } = found
      socket.pause()
      socket.off('data', take).off('error', reject).off('close', closed)
      resolve({ json, info, rest: new Uint8Array(chunk.subarray(end)) })
      return false
    }
    const closed = (): void => reject(new Error('the server closed the connection before its INFO'))
    if (source === undefined) socket.on('data', take)
    else source.receive = take
    socket.on('error', reject).on('close', closed)
  })
  // Whoever waits for the connection first may learn of its end first.
  greeting.catch(() => undefined)
  return greeting
}

// A server that is full says -ERR before anything else: its text is for the client.
function refusal(view: OperationView): WireError {
  if (view.verb !== Verb.ERR) return new WireError('backend_unavailable', 'the server did not begin with INFO')
  return new WireError('backend_unavailable', `the server refuses: ${view.text}`, { text: view.text })
}
