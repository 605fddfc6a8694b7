// SPDX-License-Identifier: Apache-2.0

/** What can be told to listen. */
interface Listening {
  /** What it is to take, for messages. */
  readonly wanted: string
  listen(): Promise<void>
}

/** An address could not be had; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code = 'listen_failed'
}

/** Starts a listener; `move` has it take another place when its own is taken. */
export async function listenOn(listener: Listening, key: string, move?: () => Promise<void>): Promise<void> {
  try {
    await listener.listen()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (move !== undefined && code === 'EADDRINUSE') return move()
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
