// SPDX-License-Identifier: Apache-2.0
import { parseTemplate, type Principal } from '@nats-edge/wire-parser'
import type { Connection, WsRequest } from '@nats-edge/ws-toolkit'
import { requestValues } from '@nats-edge/ws-toolkit/nats'
import type { RouteConfig, TargetConfig } from '../config/ws-backend-schema.ts'
import type { ChannelConfig } from '../config/ws-schema.ts'
import type { ClientData } from './client-data.ts'

/**
 * What of the client, beside its id, goes into what the service of its route is asked: part of every key of a cache.
 * Undefined: what the route does is done to the connection, so that nobody else can have its answer.
 */
export type CacheBasis = (request: WsRequest<ClientData>) => string | undefined

// What the gateway calls the route of what has none.
const noRoute = '(none)'

/** Finds out what the routes of a channel take from clients, once their templates are known to be some. */
export function cacheBasis({ routes = {}, default: fallback, room }: ChannelConfig): CacheBasis {
  const configs = new Map(Object.entries(routes))
  if (fallback !== undefined) configs.set(noRoute, fallback)
  const bases = new Map<string, CacheBasis>()
  return (request) => {
    const known = bases.get(request.route)
    if (known !== undefined) return known(request)
    const config = configs.get(request.route)
    // What has no route goes to the room of the channel, where it has one.
    const rest = room === undefined ? anybodys : nobodyElses
    const basis = config === undefined ? rest : basisOf(config)
    bases.set(request.route, basis)
    return basis(request)
  }
}

function basisOf(route: RouteConfig): CacheBasis {
  if ('room' in route) return nobodyElses
  if ('nats' in route && (route.nats === 'subscribe' || route.nats === 'unsubscribe')) return nobodyElses
  const services = 'balance' in route ? route.balance : [route]
  const texts = services.flatMap(templatesOf)
  const names = [...new Set(texts.flatMap((text) => parseTemplate(text).principalNames))]
  const headers = services.flatMap((service) => ('forwardHeaders' in service ? (service.forwardHeaders ?? []) : []))
  // Over a connection of its own a client may get what it has brought about there before.
  const isOwn = services.some((service) => 'ws' in service && service.share === undefined)
  return names.length === 0 && headers.length === 0 && !isOwn ? anybodys : written(names, headers, isOwn)
}

function templatesOf(service: RouteConfig | TargetConfig): readonly string[] {
  const places = [
    'subject' in service ? service.subject : undefined,
    'http' in service ? service.http : undefined,
    'ws' in service ? service.ws : undefined,
    ...('headers' in service ? Object.values(service.headers ?? {}) : []),
  ]
  return places.filter((text) => text !== undefined)
}

function written(names: readonly string[], headers: readonly string[], isOwn: boolean): CacheBasis {
  const templates = names.map((name) => parseTemplate(`{{${name}}}`))
  const known = new WeakMap<Connection, { readonly principal: Principal | undefined; readonly text: string }>()
  return (request) => {
    const { connection } = request
    const { principal } = connection
    const kept = known.get(connection)
    if (kept !== undefined && kept.principal === principal) return kept.text
    const text = JSON.stringify([
      ...templates.map((template) => template.fillText(requestValues(request, template)) ?? null),
      ...headers.map((name) => connection.data.headers[name.toLowerCase()] ?? null),
      ...(isOwn ? [connection.id] : []),
    ])
    known.set(connection, { principal, text })
    return text
  }
}

function anybodys(): string {
  return ''
}

function nobodyElses(): undefined {
  return undefined
}
