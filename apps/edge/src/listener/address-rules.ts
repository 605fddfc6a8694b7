// SPDX-License-Identifier: Apache-2.0
import type { EdgeConfig } from '../config.ts'
import { parseAddress } from '../config/value.ts'
import type { Address } from '../config/value.ts'
import { anyHost, isLoopback, listedHost, loopbackHost } from './host-check.ts'
import type { HostCheck } from './host-check.ts'

export interface ResolvedAddresses {
  readonly public: Address
  readonly admin: Address
  /** Undefined where the NATS protocol is not served over TCP. */
  readonly wire: Address | undefined
}

const wirePort = 4223

/** The addresses to listen on; those beyond loopback have been allowed when the configuration was read. */
export function resolveAddresses(config: EdgeConfig, insecure: boolean): ResolvedAddresses {
  const fallback = insecure ? '0.0.0.0:8080' : '127.0.0.1:8080'
  const address = checked(config.listen.public.address ?? fallback)
  return { public: address, admin: checked(config.listen.admin.address), wire: wireAddress(config, address) }
}

/** The given one, else the port beside the public listener that NATS gateways have. */
function wireAddress({ listen, wire }: EdgeConfig, { host, port }: Address): Address | undefined {
  const { address } = listen.wire
  if (address === false || !wire.enabled) return undefined
  return address === undefined ? { host, port: port === 0 ? 0 : wirePort } : checked(address)
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
