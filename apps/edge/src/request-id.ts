// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'

const prefix = randomBytes(9).toString('base64url')
const valid = /^[\w.:-]{1,128}$/
let count = 0

/** Keeps a well-formed id of the client, else makes one: a counter behind a random prefix of this process. */
export function requestIdOf(inbound: string | string[] | undefined): string {
  if (typeof inbound === 'string' && valid.test(inbound)) return inbound
  return `${prefix}-${(++count).toString(36)}`
}
