// SPDX-License-Identifier: Apache-2.0

/** What the edge keeps with a connection of a channel. */
export interface ClientData {
  /** Headers of the handshake that some route passes on. */
  readonly headers: Readonly<Record<string, string>>
  /** The rooms it is in. */
  readonly rooms: Set<string>
  /** The room of its channel. */
  readonly room: string | undefined
}
