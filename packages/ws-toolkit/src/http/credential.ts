// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const form = /^sha256:[0-9a-f]{64}$/

/** Longest name with password, or token, anybody is asked about. */
export const maxCredentialBytes = 8192

/** Hashes a secret as configurations hold it: `sha256:` and 64 hexadecimal digits. Give it long random secrets only. */
export function hashCredential(secret: string): string {
  return `sha256:${digest(secret).toString('hex')}`
}

/** Hashes of secrets by name; checking one takes as long for a name that is not there. */
export class CredentialTable {
  readonly #hashes = new Map<string, Buffer>()
  // Nobody knows a secret with this hash.
  readonly #nobody = randomBytes(32)

  /** Throws TypeError for what is not a hash; `option` names the list. */
  constructor(option: string, hashes: Readonly<Record<string, string>>) {
    for (const [name, hash] of Object.entries(hashes)) {
      if (typeof hash !== 'string' || !form.test(hash)) {
        throw new TypeError(`${option}.${name}: not a hash; write hashCredential(secret), never the secret itself`)
      }
      this.#hashes.set(name, Buffer.from(hash.slice(7), 'hex'))
    }
  }

  holds(name: string, secret: string): boolean {
    const known = this.#hashes.get(name)
    // Both sides are 32 bytes: how long it takes says nothing about the secret.
    return timingSafeEqual(digest(secret), known ?? this.#nobody) && known !== undefined
  }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
