// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from 'node:net'
import { checkKeys, checkTexts } from '../policy/option-check.ts'

/** Which addresses may connect: single ones and ranges such as `10.0.0.0/8` or `fd00::/8`. */
export interface AddressOptions {
  /** Default: all. */
  readonly allow?: readonly string[]
  /** Wins over `allow`. Default: none. */
  readonly deny?: readonly string[]
}

/** A checked list of addresses and ranges. */
export class AddressList {
  readonly #list = new BlockList()

  constructor(where: string, entries: readonly string[]) {
    for (const entry of entries) {
      const [address = '', bits, ...rest] = entry.split('/')
      const version = isIP(address)
      const prefix = bits === undefined ? (version === 6 ? 128 : 32) : Number(bits)
      const isPrefix = /^\d{1,3}$/.test(bits ?? '0') && prefix <= (version === 6 ? 128 : 32)
      if (version === 0 || rest.length > 0 || !isPrefix) {
        throw new TypeError(`${where}: ${JSON.stringify(entry)} is neither an address nor a range such as 10.0.0.0/8`)
      }
      this.#list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
    }
  }

  has(ip: string): boolean {
    const version = isIP(ip)
    return version !== 0 && this.#list.check(ip, version === 6 ? 'ipv6' : 'ipv4')
  }
}

/** Decides by address, before anything is spent on a connection. */
export class AddressRules {
  readonly #allow: AddressList | undefined
  readonly #deny: AddressList

  constructor(where: string, options: AddressOptions) {
    checkKeys(where, options, ['allow', 'deny'])
    const allow = options.allow && checkTexts(`${where}.allow`, options.allow, [])
    this.#allow = allow && new AddressList(`${where}.allow`, allow)
    this.#deny = new AddressList(`${where}.deny`, checkTexts(`${where}.deny`, options.deny, []))
  }

  /** A client on a unix socket has no address; only its listener decides. */
  allows(ip: string): boolean {
    if (ip === '') return true
    return !this.#deny.has(ip) && this.#allow?.has(ip) !== false
  }
}
