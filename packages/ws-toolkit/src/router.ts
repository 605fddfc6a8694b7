// SPDX-License-Identifier: Apache-2.0

/** A route that was found. */
export interface RouteMatch<T> {
  readonly value: T
  readonly pattern: string
  /** What each `*` and `>` stands for. */
  readonly params: readonly string[]
}

interface Branch<T> {
  readonly literals: Map<string, Branch<T>>
  any: Branch<T> | undefined
  leaf: RouteMatch<T> | undefined
  rest: RouteMatch<T> | undefined
}

const noParams: readonly string[] = Object.freeze([])

/**
 * Finds the value of a key. Patterns are keys, or dot-separated tokens of which `*` stands for one and a last `>` for
 * one or more; a literal token wins over `*`, and `*` over `>`.
 */
export class Router<T> {
  readonly #exact = new Map<string, RouteMatch<T>>()
  readonly #patterns = new Set<string>()
  readonly #root: Branch<T> = branch()
  #hasWildcards = false

  /** Adds every pattern, or throws TypeError and adds none. */
  add(patterns: readonly string[], value: T): void {
    const seen = new Set<string>()
    for (const pattern of patterns) {
      checkPattern(pattern)
      if (this.#patterns.has(pattern) || seen.has(pattern)) {
        throw new TypeError(`route ${JSON.stringify(pattern)} is there already`)
      }
      seen.add(pattern)
    }
    if (seen.size === 0) throw new TypeError('a route needs at least one pattern')
    for (const pattern of seen) this.#insert(pattern, value)
  }

  /** Finds the most specific pattern for a key. */
  match(key: string): RouteMatch<T> | undefined {
    const exact = this.#exact.get(key)
    if (exact !== undefined || !this.#hasWildcards) return exact
    const found: string[] = []
    const match = search(this.#root, key, 0, found)
    return match && { value: match.value, pattern: match.pattern, params: found }
  }

  #insert(pattern: string, value: T): void {
    this.#patterns.add(pattern)
    const match = { value, pattern, params: noParams }
    if (!isWildcard(pattern)) {
      this.#exact.set(pattern, match)
      return
    }
    this.#hasWildcards = true
    let at = this.#root
    for (const token of pattern.split('.')) {
      if (token === '>') {
        at.rest = match
        return
      }
      at = token === '*' ? (at.any ??= branch()) : literal(at, token)
    }
    at.leaf = match
  }
}

function branch<T>(): Branch<T> {
  return { literals: new Map(), any: undefined, leaf: undefined, rest: undefined }
}

function literal<T>(at: Branch<T>, token: string): Branch<T> {
  let next = at.literals.get(token)
  if (next === undefined) {
    next = branch()
    at.literals.set(token, next)
  }
  return next
}

function search<T>(at: Branch<T>, key: string, start: number, found: string[]): RouteMatch<T> | undefined {
  const dot = key.indexOf('.', start)
  const token = dot === -1 ? key.slice(start) : key.slice(start, dot)
  const next = at.literals.get(token)
  const literalMatch = next && descend(next, key, dot, found)
  if (literalMatch !== undefined) return literalMatch
  if (at.any !== undefined && token !== '') {
    found.push(token)
    const match = descend(at.any, key, dot, found)
    if (match !== undefined) return match
    found.pop()
  }
  if (at.rest === undefined || hasEmptyToken(key, start)) return undefined
  found.push(key.slice(start))
  return at.rest
}

function descend<T>(at: Branch<T>, key: string, dot: number, found: string[]): RouteMatch<T> | undefined {
  return dot === -1 ? at.leaf : search(at, key, dot + 1, found)
}

function hasEmptyToken(key: string, start: number): boolean {
  return start === key.length || key[start] === '.' || key.endsWith('.') || key.includes('..', start)
}

function isWildcard(pattern: string): boolean {
  return pattern.split('.').some((token) => token === '*' || token === '>')
}

function checkPattern(pattern: string): void {
  if (typeof pattern !== 'string' || pattern === '')
    throw new TypeError(`route: ${JSON.stringify(pattern)} is not a key`)
  const tokens = pattern.split('.')
  if (isWildcard(pattern) && tokens.some((token) => token === '')) {
    throw new TypeError(`route ${JSON.stringify(pattern)}: a wildcard route has no empty token`)
  }
  if (tokens.indexOf('>') !== -1 && tokens.indexOf('>') !== tokens.length - 1) {
    throw new TypeError(`route ${JSON.stringify(pattern)}: '>' stands last`)
  }
}
