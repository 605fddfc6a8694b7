// SPDX-License-Identifier: Apache-2.0
import { decodePath } from './request-target.ts'
import type { Route } from './route.ts'

/** What the table says about a method and a path. */
export type RouteMatch =
  | {
      readonly kind: 'route'
      readonly route: Route
      /** The method the service sees: GET where a HEAD fell back to it. */
      readonly method: string
    }
  | { readonly kind: 'other_method'; readonly allow: readonly string[] }
  | { readonly kind: 'none' }

interface Node {
  readonly literals: Map<string, Node>
  name: Node | undefined
  /** Routes that end here, by method; '' is any method. */
  readonly ends: Map<string, Route>
  /** Routes that take everything from here on. */
  readonly rests: Map<string, Route>
}

const anyMethod = ''
const none: RouteMatch = { kind: 'none' }

/** Finds routes segment by segment: literal text beats `{name}`, which beats `{name*}`; a method beats any method. */
export class RouteTable {
  readonly routes: readonly Route[]
  readonly #root = newNode()

  /** Throws TypeError where two routes would answer the same requests. */
  constructor(routes: readonly Route[]) {
    this.routes = routes
    for (const route of routes) this.#add(route)
  }

  /** `segments` are the encoded segments of the path. */
  find(method: string, segments: readonly string[]): RouteMatch {
    if (this.routes.length === 0) return none
    const found: Map<string, Route>[] = []
    collect(this.#root, segments, 0, found)
    if (found.length === 0) return none
    const route = pick(found, method)
    if (route !== undefined) return { kind: 'route', route, method }
    const fallback = method === 'HEAD' ? pick(found, 'GET') : undefined
    if (fallback !== undefined) return { kind: 'route', route: fallback, method: 'GET' }
    return { kind: 'other_method', allow: allowed(found) }
  }

  #add(route: Route): void {
    let node = this.#root
    let target = node.ends
    for (const segment of route.segments) {
      if (segment.kind === 'rest') {
        target = node.rests
        break
      }
      node = segment.kind === 'literal' ? literalChild(node, segment.text) : (node.name ??= newNode())
      target = node.ends
    }
    for (const method of route.methods.length === 0 ? [anyMethod] : route.methods) {
      const other = target.get(method)
      if (other !== undefined) {
        throw new TypeError(`routes: "${route.label}" and "${other.label}" answer the same ${method || 'any method'}`)
      }
      target.set(method, route)
    }
  }
}

/** Gathers what matches, the most exact first; how deep it goes is bounded by the table, not by the request. */
function collect(node: Node, segments: readonly string[], at: number, found: Map<string, Route>[]): void {
  if (at === segments.length) {
    if (node.ends.size > 0) found.push(node.ends)
    return
  }
  const segment = segments[at] ?? ''
  const literal = node.literals.size === 0 ? undefined : node.literals.get(literalText(segment))
  if (literal !== undefined) collect(literal, segments, at + 1, found)
  if (node.name !== undefined && segment !== '') collect(node.name, segments, at + 1, found)
  if (node.rests.size > 0 && !segments.includes('', at)) found.push(node.rests)
}

// A broken escape equals no literal; as a value it is refused when the value is read.
function literalText(segment: string): string {
  return decodePath(segment) ?? segment
}

function pick(found: readonly Map<string, Route>[], method: string): Route | undefined {
  for (const ends of found) {
    const route = ends.get(method) ?? ends.get(anyMethod)
    if (route !== undefined) return route
  }
  return undefined
}

function allowed(found: readonly Map<string, Route>[]): readonly string[] {
  const methods = new Set(found.flatMap((ends) => [...ends.keys()]))
  if (methods.has('GET')) methods.add('HEAD')
  return [...methods.add('OPTIONS')].toSorted()
}

function literalChild(node: Node, text: string): Node {
  const known = node.literals.get(text)
  if (known !== undefined) return known
  const child = newNode()
  node.literals.set(text, child)
  return child
}

function newNode(): Node {
  return { literals: new Map(), name: undefined, ends: new Map(), rests: new Map() }
}
