// SPDX-License-Identifier: Apache-2.0
import { parsePattern, parseSubject, type Pattern, type SubjectLimits } from '@nats-edge/wire-parser'

/** What requests a route takes: `/orders/:id`, `/files/>`. */
export interface RoutePattern {
  readonly text: string
  /** The NATS subject without its method: `.orders.*`, '' for the root. */
  readonly subjectTail: string
  /** Which path segment each name is. */
  readonly names: ReadonlyMap<string, number>
  /** How many segments the path must have, or -1 for any number under a last `>`. */
  readonly segments: number
}

const literalLimits: SubjectLimits = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }
const methodName = /^[A-Za-z][A-Za-z-]*$/

/**
 * Reads a pattern of literal segments, `:name` and a last `*` or `>`; a trailing slash means the same without it. Throws
 * TypeError for anything that could never receive a request.
 */
export function parseRoutePattern(text: string): RoutePattern {
  if (!text.startsWith('/')) throw fault(text, 'it must begin with "/"')
  const inner = text.endsWith('/') ? text.slice(1, -1) : text.slice(1)
  const segments = inner === '' ? [] : inner.split('/')
  const names = new Map<string, number>()
  const tokens = segments.map((segment, index) => {
    if (segment.startsWith(':')) return named(text, segment.slice(1), index, names)
    const last = index === segments.length - 1
    if (segment === '*' || segment === '>') {
      if (last) return segment
      throw fault(text, `"${segment}" stands for what follows and must be last`)
    }
    return literal(text, segment)
  })
  const subjectTail = tokens.map((token) => `.${token}`).join('')
  return { text, subjectTail, names, segments: tokens.at(-1) === '>' ? -1 : tokens.length }
}

/** The subject a pattern is subscribed on: `GET:.orders.*`. Throws TypeError if the server would not take it. */
export function routeSubject(method: string, pattern: RoutePattern): Pattern {
  const subject = parsePattern(`${method}:${pattern.subjectTail}`, { embeddedWildcards: true })
  if (subject === undefined) throw fault(pattern.text, 'its subject is longer than 1,024 bytes or 32 tokens')
  return subject
}

/** A method in the spelling of the subjects. Throws TypeError for what is none, wildcards included. */
export function parseMethod(method: string): string {
  if (!methodName.test(method)) {
    throw new TypeError(`method ${JSON.stringify(method)}: not an HTTP method; any() takes several`)
  }
  return method.toUpperCase()
}

function named(text: string, name: string, index: number, names: Map<string, number>): string {
  if (name === '') throw fault(text, 'a ":" needs a name')
  if (name.includes(':')) throw fault(text, `the name "${name}" holds a ":"`)
  if (names.has(name)) throw fault(text, `the name "${name}" stands twice`)
  names.set(name, index)
  return '*'
}

function literal(text: string, segment: string): string {
  if (segment === '') throw fault(text, 'it has an empty segment')
  if (/[:?#]/.test(segment)) throw fault(text, `"${segment}" holds ":", "?" or "#"`)
  // A dot separates tokens and is fine, as it is in the path of a request.
  if (parseSubject(segment, literalLimits) === undefined) {
    throw fault(text, `"${segment}" cannot stand in a subject`)
  }
  return segment
}

function fault(text: string, reason: string): TypeError {
  return new TypeError(`pattern ${JSON.stringify(text)}: ${reason}`)
}
