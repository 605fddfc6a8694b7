// SPDX-License-Identifier: Apache-2.0
import { ProxyError } from './proxy-error.ts'

const SLASH = 0x2f
const QUESTION = 0x3f
const HASH = 0x23
const BACKSLASH = 0x5c
const DOT = 0x2e
const PERCENT = 0x25
const DEL = 0x7f

/** A request target below the mount point: still percent-encoded, exactly as the client sent it. */
export interface RequestTarget {
  /** Begins with `/`. */
  readonly path: string
  /** Without the `?`; empty where there is none. */
  readonly query: string
  /** Path and query as sent. */
  readonly url: string
  /** Segments of the whole path as sent, the cut ones included; a trailing slash adds none. */
  readonly segments: number
  /** The path holds a `%` or a byte beyond ASCII. */
  readonly encoded: boolean
}

/**
 * Splits a raw request target and cuts `skip` segments from its front. Throws ProxyError for what no route may see: a
 * target in absolute form, a fragment, a backslash, a control character, dot segments in any spelling.
 */
export function parseRequestTarget(raw: string, skip: number): RequestTarget {
  if (raw.charCodeAt(0) !== SLASH) throw badTarget('The request target must be a path.')
  let segments = 0
  let cut = skip === 0 ? 0 : -1
  let encoded = false
  let at = 0
  for (; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === SLASH) {
      if (segments === skip) cut = at
      segments++
      if (isDotSegment(raw, at + 1)) throw new ProxyError('not_found', { detail: 'Dot segments are not resolved.' })
    } else if (code === QUESTION) {
      break
    } else if (code === PERCENT || code > DEL) {
      encoded = true
    } else if (code <= 0x20 || code === DEL || code === BACKSLASH || code === HASH) {
      throw badTarget('The request target holds a backslash, a fragment, white space or a control character.')
    }
  }
  if (raw.charCodeAt(at - 1) === SLASH) segments--
  if (raw.indexOf('#', at) !== -1) throw badTarget('The request target holds a fragment.')
  if (at === raw.length && cut === 0) return { path: raw, query: '', url: raw, segments, encoded }
  const path = cut === -1 ? '/' : raw.slice(cut, at)
  const query = raw.slice(at + 1)
  return { path, query, url: path + raw.slice(at), segments, encoded }
}

/** The segments of a path, still encoded: one for `/a`, two for `/a/`, none for `/`. */
export function pathSegments(path: string): string[] {
  return path === '/' ? [] : path.slice(1).split('/')
}

/** Percent-decodes once, as UTF-8; undefined for a broken escape or bytes that are no UTF-8. */
export function decodePath(raw: string): string | undefined {
  if (isPlain(raw)) return raw
  try {
    return decodeURIComponent(raw.replaceAll(/[\u0080-\u00ff]/g, escapeByte))
  } catch {
    return undefined
  }
}

/** Whether decoding would change nothing. */
function isPlain(raw: string): boolean {
  for (let at = 0; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === PERCENT || code > DEL) return false
  }
  return true
}

// Node hands out the target as latin1: a character beyond ASCII is one raw byte.
function escapeByte(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16)}`
}

// The WHATWG URL parser resolves these spellings; whoever routes by it would see another path than this package.
function isDotSegment(raw: string, start: number): boolean {
  let at = start
  let dots = 0
  while (dots < 3) {
    const length = dotLength(raw, at)
    if (length === 0) break
    at += length
    dots++
  }
  if (dots === 0 || dots > 2) return false
  const next = raw.charCodeAt(at)
  return at === raw.length || next === SLASH || next === QUESTION || next === HASH
}

function dotLength(raw: string, at: number): number {
  if (raw.charCodeAt(at) === DOT) return 1
  return raw.charCodeAt(at) === PERCENT && raw[at + 1] === '2' && (raw[at + 2] === 'e' || raw[at + 2] === 'E') ? 3 : 0
}

function badTarget(detail: string): ProxyError {
  return new ProxyError('bad_request', { detail })
}
