// SPDX-License-Identifier: Apache-2.0
import { ServiceError } from './service-error.ts'

const maxDepth = 64
const quote = 0x22
const backslash = 0x5c
// `__proto__` as it is or with an escape in it.
const suspicious = /__proto__|\\u00(?:5f|7[024]|6f)/i

/** Parses a body as JSON: at most 64 levels deep, and without `__proto__` members. Throws ServiceError `bad_request`. */
export function parseJson(bytes: Uint8Array): unknown {
  if (isTooDeep(bytes)) throw new ServiceError('bad_request', `the body is JSON nested deeper than ${maxDepth} levels`)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  try {
    return suspicious.test(text) ? JSON.parse(text, withoutProto) : JSON.parse(text)
  } catch (error) {
    throw new ServiceError('bad_request', 'the body is not JSON', { cause: error })
  }
}

function withoutProto(name: string, value: unknown): unknown {
  return name === '__proto__' ? undefined : value
}

function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (inString) {
      if (byte === backslash) at++
      else if (byte === quote) inString = false
    } else if (byte === quote) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) return true
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return false
}
