// SPDX-License-Identifier: Apache-2.0
import { get } from 'node:http'
import { get as getSecure } from 'node:https'
import { loadBalancer, type Handler, type LoadBalancer, type ProbeOptions } from '@nats-edge/ws-toolkit'
import type { BalanceConfig, HttpRouteConfig, ServiceConfig, TargetConfig } from '../config/ws-backend-schema.ts'
import type { ClientData } from './client-data.ts'
import { splitUrl, tlsOf } from './http-route.ts'
import { requestText } from './request-text.ts'

/** Makes the handler of a route that spreads requests over several services. */
export function balanceHandler(
  config: BalanceConfig,
  handlerOf: (service: ServiceConfig, index: number) => Handler<ClientData>,
): LoadBalancer<ClientData> {
  const { balance, pick, eject } = config
  const targets = balance.map((target, index) => {
    const { weight, name, ...service } = target
    const handler = handlerOf(service, index)
    return { handler, ...(weight !== undefined && { weight }), name: name ?? String(index) }
  })
  return loadBalancer<ClientData>({
    targets,
    ...(pick !== undefined && { pick: pick === 'least' || pick === 'p2c' ? pick : requestText(pick) }),
    ...(eject !== undefined && { eject }),
    ...(config.probe && { probe: probeOf(config.probe, balance) }),
  })
}

function probeOf(
  { path, ...times }: NonNullable<BalanceConfig['probe']>,
  targets: readonly TargetConfig[],
): ProbeOptions {
  const checks = new Map<string, (signal: AbortSignal) => Promise<void>>()
  for (const [index, target] of targets.entries()) {
    if (!('http' in target)) throw new TypeError('probe: asks http services only; one of the targets is none')
    checks.set(target.name ?? String(index), checkOf(target, path))
  }
  return { ...times, check: (name, signal) => checks.get(name)?.(signal) }
}

/** Makes the question whether a service is well, asked over TLS as its requests are; rejects unless it answers with 2xx. */
function checkOf({ http, tls }: Omit<HttpRouteConfig, 'use'>, path: string): (signal: AbortSignal) => Promise<void> {
  const url = splitUrl(http).origin + path
  const ask = url.startsWith('https:') ? getSecure : get
  // A connection of its own: a service that takes no new ones is not well.
  const options = { ...(tls && tlsOf(tls)), agent: false }
  return (signal) =>
    new Promise((resolve, reject) => {
      const request = ask(url, { ...options, signal }, (response) => {
        response.resume()
        const { statusCode = 0 } = response
        if (statusCode >= 200 && statusCode < 300) resolve()
        else reject(new Error(`answered with status ${statusCode}`))
      })
      request.on('error', reject)
    })
}
