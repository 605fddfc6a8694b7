// SPDX-License-Identifier: Apache-2.0
import { decodeEscapes } from './escape.ts'

const slash = 0x2f
const percent = 0x25
const question = 0x3f
const hash = 0x23

/** The path of a request target as sent: without query and fragment, and without scheme and host if it has them. */
export function rawPath(url: string): string {
  const target = url.startsWith('/') ? url : url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  for (let at = 0; at < target.length; at++) {
    const char = target.charCodeAt(at)
    if (char === question || char === hash) return target.slice(0, at)
  }
  return target
}

/** The query of a request target, without the `?`. */
export function rawQuery(url: string): string {
  const start = url.indexOf('?')
  if (start < 0) return ''
  const end = url.indexOf('#', start)
  return end < 0 ? url.slice(start + 1) : url.slice(start + 1, end)
}

/** The segments of the decoded path, a trailing slash aside; an escaped slash separates too. Undefined if undecodable. */
export function pathSegments(url: string): string[] | undefined {
  const path = decodeEscapes(rawPath(url), false)
  if (path === undefined) return undefined
  const inner = path.startsWith('/') ? path.slice(1) : path
  const whole = inner.endsWith('/') ? inner.slice(0, -1) : inner
  return inner === '' ? [] : whole.split('/')
}

/** How many segments `pathSegments` would find, mostly without building them; -1 if undecodable. */
export function segmentCount(url: string): number {
  if (url.charCodeAt(0) !== slash) return pathSegments(url)?.length ?? -1
  let count = 0
  let at = 1
  for (; at < url.length; at++) {
    const char = url.charCodeAt(at)
    if (char === percent) return pathSegments(url)?.length ?? -1
    if (char === question || char === hash) break
    if (char === slash) count++
  }
  const open = at > 1 && url.charCodeAt(at - 1) !== slash
  return open ? count + 1 : count
}
