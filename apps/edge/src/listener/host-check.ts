// SPDX-License-Identifier: Apache-2.0

/** Accepts or refuses what a client wrote into Host. */
export type HostCheck = (host: string | undefined) => boolean

export const anyHost: HostCheck = () => true

/** Accepts names that only this machine has: a page that points its own name here (DNS rebinding) is refused. */
export const loopbackHost: HostCheck = (host) => {
  const name = hostName(host)
  return name !== undefined && (name === 'localhost' || isLoopback(name))
}

/** Accepts the listed names, with any port. */
export function listedHost(names: readonly string[]): HostCheck {
  const known = new Set(names.map((name) => hostName(name) ?? name.toLowerCase()))
  return (host) => {
    const name = hostName(host)
    return name !== undefined && known.has(name)
  }
}

/** Tells whether an address to listen on can be reached from this machine only. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address)
}

function hostName(host: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:/?#@[\]\s]+))(?::\d{1,5})?$/i.exec(host ?? '')
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}
