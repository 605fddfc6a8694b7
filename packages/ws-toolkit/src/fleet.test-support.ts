// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { inject, onTestFinished } from 'vitest'
import { handshake, unhookedSocket, type TestHost } from './upgrade/hosts.test-support.ts'

/** One of many clients: it only counts, and remembers its last message and its close frame. */
export interface Sailor {
  readonly socket: Socket
  /** Text and binary frames. */
  frames: number
  /** The last message. */
  last: string
  close: { readonly code: number; readonly reason: string } | undefined
  isGone: boolean
  /** Whether a close frame is answered. */
  answers: boolean
  /** Called with each message. */
  hear?: (text: string) => void
}

/** A tenth of a fleet, but in the long job. */
export function fleetSize(most: number): number {
  return inject('propertyRuns') > 1000 ? most : most / 10
}

const atOnce = 100

/** Connects thousands of clients that cost almost nothing: no masks, no fragments, no UTF-8. */
export async function launchFleet(host: TestHost, count: number, path: (index: number) => string): Promise<Sailor[]> {
  const fleet: Sailor[] = []
  onTestFinished(() => {
    for (const { socket } of fleet) socket.destroy()
  })
  for (let index = 0; index < count; index += atOnce) {
    const size = Math.min(atOnce, count - index)
    await Promise.all(Array.from({ length: size }, (_, offset) => launch(host, path(index + offset), fleet)))
  }
  return fleet
}

/** Sends a short text, masked with zeros. */
export function say(sailor: Sailor, text: string): void {
  const payload = Buffer.from(text)
  sailor.socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]))
}

function launch(host: TestHost, path: string, fleet: Sailor[]): Promise<void> {
  const socket = unhookedSocket(host)
  const sailor: Sailor = { socket, frames: 0, last: '', close: undefined, isGone: false, answers: true }
  fleet.push(sailor)
  let rest = Buffer.alloc(0)
  let isOpen = false
  socket.on('error', () => {})
  socket.once('close', () => (sailor.isGone = true))
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (!isOpen) {
        const end = rest.indexOf('\r\n\r\n')
        if (end === -1) return
        isOpen = true
        if (rest.subarray(9, 12).toString() === '101') resolve()
        else reject(new Error(rest.subarray(0, end).toString()))
        rest = rest.subarray(end + 4)
      }
      rest = rest.subarray(readFrames(sailor, rest))
    })
    socket.write(handshake(path))
  })
}

/** Reads whole frames and gives the index behind the last. */
function readFrames(sailor: Sailor, bytes: Buffer): number {
  let at = 0
  for (;;) {
    const short = bytes[at + 1]
    if (short === undefined) return at
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0
    const start = at + 2 + extended
    if (bytes.length < start) return at
    const length =
      extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    if (bytes.length < start + length) return at
    take(sailor, bytes[at] ?? 0, bytes.subarray(start, start + length))
    at = start + length
  }
}

function take(sailor: Sailor, head: number, payload: Buffer): void {
  if (head === 0x88) {
    sailor.close = { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() }
    if (sailor.answers)
      sailor.socket.end(Buffer.concat([Buffer.from([0x88, 0x82, 0, 0, 0, 0]), payload.subarray(0, 2)]))
  } else if (head === 0x81 || head === 0x82) {
    sailor.frames += 1
    sailor.last = payload.toString()
    sailor.hear?.(sailor.last)
  }
}
