// SPDX-License-Identifier: Apache-2.0
import { decodePath } from './request-target.ts'

/** One segment of a route's path. */
export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'rest'; readonly name: string }

const braced = /^\{([A-Za-z_][A-Za-z0-9_-]*)(\*?)\}$/
const colon = /^:([A-Za-z_][A-Za-z0-9_-]*)$/

/** Reads `/orders/{id}`, `/orders/:id` or `/files/{rest*}`; throws TypeError naming the fault. */
export function parseRoutePath(path: string): readonly PathSegment[] {
  if (typeof path !== 'string' || !path.startsWith('/')) throw fault(path, 'must begin with "/"')
  if (path === '/') return []
  const names = new Set<string>()
  const texts = path.slice(1).split('/')
  return texts.map((text, index) => {
    const segment = parseSegment(path, text)
    if (segment.kind === 'literal') return segment
    if (names.has(segment.name)) throw fault(path, `uses the name "${segment.name}" twice`)
    names.add(segment.name)
    if (segment.kind === 'rest' && index !== texts.length - 1) throw fault(path, `has "${text}" before its end`)
    return segment
  })
}

function parseSegment(path: string, text: string): PathSegment {
  if (text === '') throw fault(path, 'has an empty segment')
  const match = braced.exec(text) ?? colon.exec(text)
  if (match !== null) return { kind: match[2] === '*' ? 'rest' : 'name', name: match[1] ?? '' }
  if (/[{}?#\\\s]/.test(text) || text.startsWith(':')) {
    throw fault(path, `has the segment "${text}", which is neither literal text nor one whole {name}`)
  }
  const literal = decodePath(text)
  if (literal === undefined || literal === '.' || literal === '..') {
    throw fault(path, `has the segment "${text}", which no request can reach`)
  }
  return { kind: 'literal', text: literal }
}

function fault(path: string, what: string): TypeError {
  return new TypeError(`route path ${JSON.stringify(path)} ${what}`)
}
