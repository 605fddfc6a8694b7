// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'

const hostPattern = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]]+)(?::\d{1,5})?$/i
// What a URL parser leaves as it is: nothing to escape, no dot segment.
const plainTarget = /^\/(?!\.)(?:[\w~!$&()*+,;=:@?.-]|\/(?!\.))*$/

const partsKey: unique symbol = Symbol('parts')

/** What a light request is made of; the rest comes when somebody asks for it. */
interface Parts {
  readonly url: string
  readonly rawHeaders: readonly string[]
  headers: Headers | undefined
  full: Request | undefined
}

interface Light {
  readonly [partsKey]: Parts
}

/** Makes the Request of a handshake; undefined where its Host or its target is malformed. */
export function fullRequest(incoming: IncomingMessage): Request | undefined {
  const url = urlOf(incoming)
  if (url === undefined) return undefined
  const request = new Request(url)
  // Its own, as headers that are given to it would be copied.
  fillHeaders(request.headers, incoming.rawHeaders)
  return request
}

/**
 * Makes one that only becomes a real one when more than its URL, method and headers is asked for: that takes a
 * seventh less of the CPU time of a handshake. It can be read, cloned, and is an instance of Request; what looks inside of
 * it, as `fetch()` and `new Request()` do, throws a TypeError.
 */
export function lightRequest(incoming: IncomingMessage): Request | undefined {
  const url = urlOf(incoming)
  if (url === undefined) return undefined
  const { rawHeaders } = incoming
  const request: Request & { [partsKey]?: Parts } = Object.create(lightPrototype())
  request[partsKey] = { url, rawHeaders, headers: undefined, full: undefined }
  return request
}

/** Writes names and values, in turn, into headers. */
function fillHeaders(headers: Headers, rawHeaders: readonly string[]): Headers {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '')
  }
  return headers
}

const own = {
  url: ({ [partsKey]: parts }: Light): string => parts.url,
  method: (): string => 'GET',
  headers: ({ [partsKey]: parts }: Light): Headers => {
    if (parts.full !== undefined) return parts.full.headers
    parts.headers ??= fillHeaders(new Headers(), parts.rawHeaders)
    return parts.headers
  },
}

let known: { readonly of: typeof Request; readonly prototype: object } | undefined

/** The prototype for the class of requests there is now: @hono/node-server replaces it. */
function lightPrototype(): object {
  if (known?.of !== Request) known = { of: Request, prototype: prototypeOver(Request.prototype) }
  return known.prototype
}

function prototypeOver(real: object): object {
  const light: object = Object.create(real)
  for (const [name, { value }] of membersOf(real)) {
    const member = typeof value === 'function' ? { value: asker(name) } : { get: getter(name) }
    Object.defineProperty(light, name, member)
  }
  return light
}

function getter(name: string): (this: Light) => unknown {
  const read = Object.entries(own).find(([key]) => key === name)?.[1]
  return function get() {
    return read === undefined ? Reflect.get(fullOf(this), name) : read(this)
  }
}

function asker(name: string): (this: Light, ...values: readonly unknown[]) => unknown {
  return function ask(...values) {
    const full = fullOf(this)
    const method: unknown = Reflect.get(full, name)
    return typeof method === 'function' ? Reflect.apply(method, full, values) : undefined
  }
}

function fullOf({ [partsKey]: parts }: Light): Request {
  parts.full ??= new Request(parts.url, { headers: parts.headers ?? fillHeaders(new Headers(), parts.rawHeaders) })
  return parts.full
}

/** The members of a class, those it has inherited included. */
function membersOf(prototype: object): Map<string, PropertyDescriptor> {
  const above: unknown = Object.getPrototypeOf(prototype)
  const members =
    typeof above === 'object' && above !== null && above !== Object.prototype ? membersOf(above) : new Map()
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const member = Object.getOwnPropertyDescriptor(prototype, name)
    if (name !== 'constructor' && member !== undefined) members.set(name, member)
  }
  return members
}

/** The URL of a handshake, as a URL parser writes it. */
function urlOf({ headers, socket, url: target = '/' }: IncomingMessage): string | undefined {
  const scheme = 'encrypted' in socket ? 'https' : 'http'
  const { host = 'localhost' } = headers
  // Both would move the border between host and path once they are one URL.
  if (!hostPattern.test(host) || target.includes('\\')) return undefined
  try {
    const origin = originOf(`${scheme}://${host}`)
    return plainTarget.test(target) ? origin + target : new URL(origin + target).href
  } catch {
    return undefined
  }
}

// Most clients of a server call it by one name.
let last = { text: '', origin: '' }

function originOf(text: string): string {
  if (text !== last.text) last = { text, origin: new URL(text).origin }
  return last.origin
}
