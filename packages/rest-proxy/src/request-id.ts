// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'

const prefix = randomBytes(9).toString('base64url')
let count = 0

/** A new id: a random prefix of this process and a counter. */
export function newRequestId(): string {
  count++
  return `${prefix}.${count.toString(36)}`
}

const idForm = /^[A-Za-z0-9._:-]{1,128}$/

/** Whether an id of the client's may be taken over into logs and answers. */
export function isRequestId(text: string): boolean {
  return idForm.test(text)
}
