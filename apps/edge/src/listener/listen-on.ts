// SPDX-License-Identifier: Apache-2.0
import { formatAddress } from '../config/value.ts'
import type { Address } from '../config/value.ts'

/** What can be told to listen. */
export interface Listening {
  /** What it is to take. */
  readonly address: Address
  listen(address: Address): Promise<void>
}

/** An address could not be had; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code = 'listen_failed'
}

/** Starts a listener; with `mayMove` it takes any free port when its own is taken. */
export async function listenOn(listener: Listening, key: string, mayMove: boolean): Promise<void> {
  const { address } = listener
  try {
    await listener.listen(address)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (mayMove && code === 'EADDRINUSE') return listener.listen({ ...address, port: 0 })
    throw new ListenError(`cannot listen on ${formatAddress(address)}: ${reason(code, cause)} (${key})`, { cause })
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
