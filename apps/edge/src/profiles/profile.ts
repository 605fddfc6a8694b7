// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream'

/** A profile that is ready to be sent; `content` holds resources until it is read or destroyed. */
export interface Profile {
  readonly bytes: number
  readonly content: Readable
}
