// SPDX-License-Identifier: Apache-2.0
import { encodeToken, isToken } from '@nats-edge/wire-parser'
import { checkKeys, checkWord, show } from './option-check.ts'
import { ProxyError } from './proxy-error.ts'
import { decodePath } from './request-target.ts'
import type { PathSegment } from './route-path.ts'
import { safePattern, wholePattern } from './safe-pattern.ts'

/** What a value of the path must look like, and how it becomes a token. */
export interface ParamOptions {
  /** Must match the whole decoded value; may not nest unbounded repetition. */
  readonly pattern?: RegExp
  /** Makes any value one token; without it a value that is no token is refused. */
  readonly encode?: 'base32hex' | 'base64url'
}

/** The values of one request's path. */
export interface PathParams {
  /** Tokens by name; a list for `{name*}`. */
  readonly values: ReadonlyMap<string, string | readonly string[]>
  /** Name, value, name, value, as the client sent them: percent-encoded, so nothing in them can break a line. */
  readonly raw: readonly string[]
}

interface Rule {
  readonly pattern: RegExp | undefined
  readonly encode: 'base32hex' | 'base64url' | undefined
}

/** Reads the values of a route's path; built once per route. */
export class ParamReader {
  readonly names: readonly string[]
  readonly #segments: readonly PathSegment[]
  readonly #rules: ReadonlyMap<string, Rule>

  constructor(where: string, segments: readonly PathSegment[], params: Readonly<Record<string, ParamOptions>> = {}) {
    this.#segments = segments
    this.names = segments.flatMap((segment) => (segment.kind === 'literal' ? [] : [segment.name]))
    checkKeys(where, params, this.names)
    this.#rules = new Map(Object.entries(params).map(([name, param]) => [name, checkRule(`${where}.${name}`, param)]))
  }

  /** Takes the encoded segments of a path that the route matched; throws ProxyError for a value it may not have. */
  read(segments: readonly string[]): PathParams | undefined {
    if (this.names.length === 0) return undefined
    const values = new Map<string, string | readonly string[]>()
    const raw: string[] = []
    for (const [index, segment] of this.#segments.entries()) {
      if (segment.kind === 'name') {
        const text = segments[index] ?? ''
        values.set(segment.name, this.#token(segment.name, text))
        raw.push(segment.name, text)
      } else if (segment.kind === 'rest') {
        const rest = segments.slice(index)
        const tokens = rest.map((text) => this.#token(segment.name, text))
        values.set(segment.name, tokens)
        raw.push(segment.name, rest.join('/'))
      }
    }
    return { values, raw }
  }

  #token(name: string, raw: string): string {
    if (raw === '') throw new ProxyError('not_found', { detail: 'The path has an empty segment.' })
    const value = decodePath(raw)
    if (value === undefined)
      throw new ProxyError('bad_request', { detail: `"${name}" holds an escape that is no UTF-8.` })
    const rule = this.#rules.get(name)
    if (rule?.pattern?.test(value) === false) {
      throw new ProxyError('bad_request', { detail: `"${name}" does not have the form this route expects.` })
    }
    if (rule?.encode !== undefined) return encodeToken(value, rule.encode)
    if (isToken(value)) return value
    throw new ProxyError('bad_request', {
      detail: `"${name}" must be one token: no dot, white space, control character, "*" or ">".`,
    })
  }
}

function checkRule(where: string, options: ParamOptions): Rule {
  checkKeys(where, options, ['pattern', 'encode'])
  const { pattern, encode } = options
  if (pattern !== undefined && !(pattern instanceof RegExp)) {
    throw new TypeError(`${where}.pattern must be a RegExp, not ${show(pattern)}`)
  }
  if (encode !== undefined) checkWord(`${where}.encode`, encode, ['base32hex', 'base64url'], 'base64url')
  return { pattern: pattern && wholePattern(safePattern(`${where}.pattern`, pattern)), encode }
}
