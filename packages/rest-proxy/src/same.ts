// SPDX-License-Identifier: Apache-2.0

/** Whether two options mean the same: plain data by value, regular expressions by text, functions by identity. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof RegExp || b instanceof RegExp) return String(a) === String(b)
  if (Array.isArray(a) !== Array.isArray(b) || !isPlain(a) || !isPlain(b)) return false
  // A key that is there without a value means the same as one that is not there.
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const key of keys) if (!isSame(valueAt(a, key), valueAt(b, key))) return false
  return true
}

function valueAt(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value
}

function isPlain(value: object): boolean {
  return (
    Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null
  )
}
