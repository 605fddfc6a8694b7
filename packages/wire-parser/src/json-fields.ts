// SPDX-License-Identifier: Apache-2.0
import { isNull, type JsonMember, readString, scanElements, scanObject } from './json-scan.ts'

/** What the server's structure holds under a key. */
export type FieldKind = 'boolean' | 'string' | 'integer' | 'unsigned' | 'strings' | 'permissions'

export type FieldValue = boolean | string | number | bigint | readonly string[] | FieldTable

/** Values by field name, as they were said last. */
export interface FieldTable {
  readonly [name: string]: FieldValue | undefined
}

export type FieldKinds = Readonly<Record<string, FieldKind>>

const permissionKinds: FieldKinds = { allow: 'strings', deny: 'strings' }

/**
 * Folds a key as Go's encoding/json matches field names that are ASCII: either case, and the two letters beyond ASCII
 * that are another case of one in it, the long s and the Kelvin sign.
 */
export function foldKey(key: string): string {
  return key
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replaceAll('\u017F', 's')
    .replaceAll('\u212A', 'k')
}

/**
 * Reads the known fields of an object: keys folded, the last one wins, null leaves a field as it is. Undefined where Go
 * would return an error: for what is no JSON, no object, or has a known field of another kind.
 */
export function decodeFields(json: Uint8Array, kinds: FieldKinds): FieldTable | undefined {
  if (isNull(json)) return {}
  const members = scanObject(json)
  if (members === undefined) return undefined
  const fields = new Map<string, FieldValue>()
  for (const member of members) {
    const name = foldKey(member.key)
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
    if (kind === undefined || json[member.valueStart] === 110) continue
    const value = decodeValue(json, member, kind)
    if (value === undefined) return undefined
    fields.set(name, value)
  }
  return Object.fromEntries(fields)
}

function decodeValue(json: Uint8Array, { valueStart, valueEnd }: JsonMember, kind: FieldKind): FieldValue | undefined {
  const first = String.fromCharCode(json[valueStart] as number)
  switch (kind) {
    case 'boolean':
      return first === 't' ? true : first === 'f' ? false : undefined
    case 'string':
      return first === '"' ? readString(json, valueStart) : undefined
    case 'integer':
      return decodeInteger(json, valueStart, valueEnd)
    case 'unsigned':
      return decodeUnsigned(json, valueStart, valueEnd)
    case 'strings':
      return first === '[' ? decodeStrings(json, valueStart) : undefined
    default:
      return first === '{' ? decodeFields(json.subarray(valueStart, valueEnd), permissionKinds) : undefined
  }
}

const mostInteger = 2n ** 63n - 1n
const mostUnsigned = 2n ** 64n - 1n

// Go takes 5, -5 and -0 for an integer, and neither 5.0 nor 5e0.
function wholeNumber(json: Uint8Array, start: number, end: number): bigint | undefined {
  const text = String.fromCharCode(...json.subarray(start, Math.min(end, start + 24)))
  return end - start < 24 && /^-?\d+$/.test(text) ? BigInt(text) : undefined
}

function decodeInteger(json: Uint8Array, start: number, end: number): number | undefined {
  const value = wholeNumber(json, start, end)
  return value === undefined || value > mostInteger || value < -mostInteger - 1n ? undefined : Number(value)
}

function decodeUnsigned(json: Uint8Array, start: number, end: number): bigint | undefined {
  const value = wholeNumber(json, start, end)
  return value === undefined || value > mostUnsigned || json[start] === 45 ? undefined : value
}

function decodeStrings(json: Uint8Array, start: number): string[] | undefined {
  const strings: string[] = []
  for (const at of scanElements(json, start)) {
    const first = json[at]
    if (first !== 34 && first !== 110) return undefined
    strings.push(first === 34 ? readString(json, at) : '')
  }
  return strings
}
