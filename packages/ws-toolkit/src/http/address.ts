// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from 'node:net'

const mappedPrefix = '::ffff:'
const mappedDecimal = /^::ffff:\d+\.\d+\.\d+\.\d+$/i

/** An address in its one form: IPv4 in IPv6 is IPv4, IPv6 is short and lower-case, zones go. Undefined for what is none. */
export function parseAddress(text: string): string | undefined {
  const bare = text.replace(/%.*$/, '')
  const family = isIP(bare)
  if (family === 4) return bare
  if (family === 0) return undefined
  // As a socket for both families says it of every IPv4 client.
  if (mappedDecimal.test(bare)) return bare.slice(mappedPrefix.length)
  const short = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  return short.startsWith(mappedPrefix) ? mapped(short.slice(mappedPrefix.length)) : short
}

/** Reads an address that may have a port behind it: `1.2.3.4:80`, `[::1]:80`, `::1`. */
export function parseHostPort(text: string): string | undefined {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1]
  if (bracketed !== undefined) return parseAddress(bracketed)
  return parseAddress(/^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text)
}

/** Addresses and CIDR blocks. */
export class AddressBlocks {
  readonly #list = new BlockList()

  /** Throws TypeError for what is neither; `option` names the list. */
  constructor(option: string, entries: readonly string[]) {
    if (!Array.isArray(entries)) throw new TypeError(`${option}: ${JSON.stringify(entries)} is not a list`)
    for (const entry of entries) this.#add(option, String(entry))
  }

  /** `address` as `parseAddress` gives it. */
  holds(address: string): boolean {
    return this.#list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }

  #add(option: string, entry: string): void {
    const [address = '', bits, ...rest] = entry.split('/')
    const family = isIP(address)
    const most = family === 4 ? 32 : 128
    const prefix = bits === undefined ? most : Number(bits)
    if (family === 0 || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits)) || prefix > most) {
      throw new TypeError(`${option}: ${JSON.stringify(entry)} is neither an address nor a CIDR block`)
    }
    this.#list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
  }
}

// URL writes the last 32 bits as two hexadecimal groups.
function mapped(groups: string): string {
  const [high = 0, low = 0] = groups.split(':').map((group) => Number(`0x${group}`))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
