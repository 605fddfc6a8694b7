// SPDX-License-Identifier: Apache-2.0

/** What a transport tells. */
export interface TransportHandlers {
  /** Bytes have come; more of the same read may follow before `flush()`. */
  data(chunk: Uint8Array): void
  /** All of one read was handed out. Returns whether something still refers to the bytes. */
  flush(): boolean
  /** Something was read, though perhaps nothing is whole yet. Not called any more once it has returned false. */
  readonly read?: () => boolean
  /** Everything written was taken. */
  drained(): void
  /** The peer sends nothing any more. */
  ended(): void
  /** It is over, exactly once. */
  closed(error: Error | undefined): void
}

/** One side of a connection: a TCP, TLS or unix socket, or a WebSocket. */
export interface Transport {
  /** Bytes written and not yet taken by the system. */
  readonly queuedBytes: number
  /** A number that changes whenever the peer takes something of what is queued. */
  readonly progress: number
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Begins to read. */
  start(handlers: TransportHandlers): void
  /** Takes one piece, which must not change while `queuedBytes` is above 0. `sent` is told when the system has taken it. */
  write(bytes: Uint8Array, sent?: (error?: Error | null) => void): void
  /** Takes several pieces at once. */
  writeAll(pieces: readonly Uint8Array[]): void
  pause(): void
  resume(): void
  /**
   * Sends what was written, then closes; a WebSocket says the code. Ends within a second, whatever the peer does, but for a
   * server that is still taking what was written.
   */
  end(webSocketCode: number): void
  destroy(): void
}

/** How long a peer may take to close after we did, in milliseconds. */
export const lingerMs = 1000

/** How often that is granted to a server, as long as it goes on to take what its client has left behind. */
export const serverLingers = 10
