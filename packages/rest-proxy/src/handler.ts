// SPDX-License-Identifier: Apache-2.0
import { framingFaultOf, type RawRequest, rawRequest } from '@nats-edge/ws-toolkit/upgrade'
import type { Context, Next } from 'hono'
import { basePath, baseRoutePath } from 'hono/route'
import { type Answer, problemAnswer } from './answer.ts'
import { type Destination, Exchange } from './exchange.ts'
import { openOutlet, outgoingOf } from './outlet.ts'
import { ProxyError } from './proxy-error.ts'
import { checkRequestLimits, ProxyRequest } from './proxy-request.ts'
import type { ProxyState } from './proxy-state.ts'
import { newRequestId } from './request-id.ts'
import { parseRequestTarget, pathSegments, type RequestTarget } from './request-target.ts'

type Handled = Response | Promise<Response>

/** Answers one request, or leaves it to the routes behind where this proxy has nothing to say about its path. */
export function handle(state: ProxyState, c: Context, next: Next): Handled {
  state.isServing = true
  const raw = rawRequest(c)
  let request: ProxyRequest | undefined
  try {
    const skip = mountSegments(c)
    const target = checkedTarget(state, c, raw, skip)
    request = new ProxyRequest(c, raw, target, state.options.clientIp)
    const found = findDestination(state, raw.method, target)
    if (found === undefined) {
      // Below its own path a proxy says 404; a path that it shares with the rest of the app is the app's.
      if (isShared(state, skip, target)) return next().then(() => c.res)
      throw new ProxyError('not_found')
    }
    if (!('route' in found)) return answered(state, c, found, false)
    c.set('routeLabel', found.route.label)
    return exchanged(state, request, found)
  } catch (reason) {
    const error = ProxyError.from(reason)
    const answer = problemAnswer(error, request?.id ?? newRequestId(), raw.method)
    return answered(state, c, answer, error.closes)
  }
}

function checkedTarget(state: ProxyState, c: Context, raw: RawRequest, skip: number): RequestTarget {
  const fault = raw.incoming === undefined ? undefined : framingFaultOf(raw.incoming)
  if (fault !== undefined) {
    const detail = `The request can be read in two ways: ${fault.replaceAll('_', ' ')}.`
    throw new ProxyError('bad_request', { detail, closes: true })
  }
  checkRequestLimits(raw, state.options)
  const target = parseRequestTarget(raw.url, skip)
  if (target.segments !== segmentsOf(c.req.path)) {
    throw new ProxyError('unsupported', {
      detail: 'Mount the proxy with app.route(); app.mount() hides part of the path.',
    })
  }
  return target
}

/** A route, the answer to OPTIONS, or nothing. */
function findDestination(state: ProxyState, method: string, target: RequestTarget): Destination | Answer | undefined {
  const { table, defaultRoute, trailingSlash } = state.options
  if (table.routes.length > 0) {
    const match = table.find(method, pathSegments(state.routedPath(target)))
    if (match.kind === 'route') return match
    if (match.kind === 'other_method') {
      const headers = ['Allow', match.allow.join(', ')]
      if (method === 'OPTIONS') return { status: 204, headers, body: undefined, length: undefined }
      throw new ProxyError('method_not_allowed', { headers })
    }
  }
  if (defaultRoute === undefined) return undefined
  // The root has no segment to make a token of; only nats-proxy's mapping has a subject for it.
  const reachable = target.path !== '/' || (defaultRoute.envelope === 'nats-proxy' && trailingSlash === 'strip')
  return reachable ? { route: defaultRoute, method } : undefined
}

function isShared(state: ProxyState, skip: number, target: RequestTarget): boolean {
  return skip === 0 && (state.options.defaultRoute === undefined || target.path === '/')
}

function exchanged(state: ProxyState, request: ProxyRequest, destination: Destination): Handled {
  const { outlet, response } = openOutlet(request.context)
  const exchange = new Exchange(state, request, destination, outlet)
  exchange.begin()
  if (!exchange.isEnded) watchClient(request, exchange)
  return response
}

function answered(state: ProxyState, c: Context, answer: Answer, closes: boolean): Handled {
  const { outlet, response } = openOutlet(c)
  outlet.send(answer, closes || state.lifecycle.isClosing)
  return response
}

/** Cancels the exchange when its client goes away. */
function watchClient(request: ProxyRequest, exchange: Exchange): void {
  const outgoing = outgoingOf(request.context)
  if (outgoing === undefined) {
    const { signal } = request.context.req.raw
    signal.addEventListener('abort', () => exchange.cancel(), { once: true })
    if (signal.aborted) exchange.cancel()
    return
  }
  outgoing.on('close', () => exchange.cancel())
  if (outgoing.destroyed) exchange.cancel()
}

// Under `strict: false` Hono's path lacks the last slash, so it does not count.
function segmentsOf(path: string): number {
  return slashes(path) - Number(path.endsWith('/'))
}

/** Segments that the mount point has taken from the front of the path. */
function mountSegments(c: Context): number {
  const base = baseRoutePath(c)
  if (base === '/') return 0
  // Only a parameter in the mount path makes the taken path differ from the configured one.
  return slashes(/[:*]/.test(base) ? basePath(c) : base)
}

function slashes(path: string): number {
  let count = 0
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) count++
  return count
}
