// SPDX-License-Identifier: Apache-2.0
import type { Listener } from '../listener.ts'

/** An address could not be had; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code = 'listen_failed'
}

/** Starts a listener; with `mayMove` it takes any free port when its own is taken. */
export async function listenOn(listener: Listener, key: string, mayMove: boolean): Promise<void> {
  try {
    await listener.listen()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (mayMove && code === 'EADDRINUSE') return listener.listen({ ...listener.address, port: 0 })
    throw new ListenError(`cannot listen on ${listener.wanted}: ${reason(code, cause)} (${key})`, { cause })
  }
}

function reason(code: string, cause: unknown): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is taken by another program'
    case 'EACCES':
      return 'ports below 1024 need a privilege'
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address'
    default:
      return cause instanceof Error ? cause.message : String(cause)
  }
}
