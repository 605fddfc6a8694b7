// SPDX-License-Identifier: Apache-2.0
import { decodeEscapes } from './escape.ts'

/** Names and all their values, in order of first appearance. */
export type Form = Map<string, string[]>

/** Reads `a=1&b=2`; a pair with a malformed escape is left out, as the browser's own form parser never makes one. */
export function parseUrlEncoded(text: string): Form {
  const form: Form = new Map()
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeEscapes(equals < 0 ? pair : pair.slice(0, equals), true)
    const value = decodeEscapes(equals < 0 ? '' : pair.slice(equals + 1), true)
    if (name !== undefined && value !== undefined) addValue(form, name, value)
  }
  return form
}

/** Puts the values of `first` before those of `second`. */
export function mergeForms(first: Form, second: Form): Form {
  const merged: Form = new Map()
  for (const form of [first, second]) {
    for (const [name, values] of form) for (const value of values) addValue(merged, name, value)
  }
  return merged
}

export function addValue(form: Form, name: string, value: string): void {
  const values = form.get(name)
  if (values === undefined) form.set(name, [value])
  else values.push(value)
}
