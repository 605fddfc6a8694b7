// SPDX-License-Identifier: Apache-2.0
import type { NatsServerBinary, Search } from '../search.ts'
import type { VersionRange } from '../version-range.ts'

/** What a way of installing came to; undefined: it does not work here, which it has reported itself. */
export type Installed = NatsServerBinary | { readonly unwanted: string } | undefined

/** One way of installing nats-server; it installs only versions it is told are wanted, and names the one it could give else. */
export type Installer = (search: Search, isWanted: VersionRange) => Promise<Installed>
