// SPDX-License-Identifier: Apache-2.0
import type { EdgeConfig } from '../config.ts'
import { parseAddress } from '../config/value.ts'
import type { Address } from '../config/value.ts'
import { anyHost, isLoopback, listedHost, loopbackHost } from './host-check.ts'
import type { HostCheck } from './host-check.ts'

export interface ResolvedAddresses {
  readonly public: Address
  readonly admin: Address
}

/** A listener would be open to everybody although nobody asked for that. */
export class PublicWithoutAuth extends Error {
  override readonly name = 'PublicWithoutAuth'
  readonly code = 'public_without_auth'
  /** The key that has to change. */
  readonly key: readonly string[]

  constructor(key: readonly string[], message: string) {
    super(message)
    this.key = key
  }
}

/** The addresses to listen on; throws PublicWithoutAuth for one beyond loopback that nothing protects. */
export function resolveAddresses(config: EdgeConfig, insecure: boolean): ResolvedAddresses {
  const { listen } = config
  const fallback = insecure ? '0.0.0.0:8080' : '127.0.0.1:8080'
  const publicAddress = checked(listen.public.address ?? fallback)
  if (!insecure && !isLoopback(publicAddress.host)) {
    throw new PublicWithoutAuth(
      ['listen', 'public', 'address'],
      `"listen.public.address" is ${listen.public.address}, where everybody could use NATS: nobody has to log in. Use a loopback address, or --insecure if that is meant`,
    )
  }
  const admin = checked(listen.admin.address)
  if (!isLoopback(admin.host) && listen.admin.token === undefined) {
    throw new PublicWithoutAuth(
      ['listen', 'admin', 'address'],
      `"listen.admin.address" is ${listen.admin.address}, beyond loopback: set "listen.admin.token" too`,
    )
  }
  return { public: publicAddress, admin }
}

/** Without login, a loopback listener must not be reachable through a name that somebody else's page points here. */
export function publicHostCheck(addresses: ResolvedAddresses): HostCheck {
  return isLoopback(addresses.public.host) ? loopbackHost : anyHost
}

/** The listed names; by default those of loopback, and any where a token protects a listener beyond it. */
export function adminHostCheck(config: EdgeConfig, addresses: ResolvedAddresses): HostCheck {
  const { hosts } = config.listen.admin
  if (hosts !== undefined) return listedHost(hosts)
  return isLoopback(addresses.admin.host) ? listedHost(['localhost', '127.0.0.1', '[::1]']) : anyHost
}

function checked(text: string): Address {
  const address = parseAddress(text)
  if (address === undefined) throw new TypeError(`"${text}" is no address with a port`)
  return address
}
