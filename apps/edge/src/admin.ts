// SPDX-License-Identifier: Apache-2.0
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MetricFamily } from '@nats-edge/wire-parser'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { exchangeOf } from './context.ts'
import type { EdgeEnv } from './context.ts'
import type { Health, HealthReport } from './health.ts'
import type { Logger } from './log.ts'
import { contentTypes, formatOfAccept, renderMetrics } from './metrics/exposition.ts'
import { problemResponse } from './problem.ts'
import { mountProfiles } from './profiles.ts'
import { requestIdOf } from './request-id.ts'

export interface AdminOptions {
  readonly health: Health
  /** Undefined when metrics are off. */
  readonly metrics: (() => Promise<Iterable<MetricFamily>>) | undefined
  /** Serves profiles, if there is a token to ask for. */
  readonly profiles: boolean
  /** Asked for by profiles, /metrics and verbose health; undefined leaves the latter two open. */
  readonly token: string | undefined
  readonly log: Logger
}

/** The app of the admin listener: health, metrics and profiles. */
export function adminApp(options: AdminOptions): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>()
  app.use('*', (c, next) => {
    const exchange = exchangeOf(c.env)
    if (exchange !== undefined) {
      exchange.context = c
      exchange.surface = 'admin'
    }
    return next()
  })
  const allows = (c: Context): boolean => isAllowed(c, options.token)
  mountHealth(app, options.health, allows)
  if (options.profiles && options.token !== undefined) mountProfiles(app, options.log, allows)
  const { metrics } = options
  if (metrics !== undefined) {
    app.get('/metrics', async (c) => {
      c.set('routeLabel', '/metrics')
      if (!allows(c)) return problemResponse({ code: 'unauthorized' }, idOf(c))
      const format = formatOfAccept(c.req.header('accept'))
      const body = renderMetrics(await metrics(), format)
      return new Response(body, { headers: { 'Content-Type': contentTypes[format], 'Cache-Control': 'no-store' } })
    })
  }
  app.notFound((c) => problemResponse({ code: 'not_found' }, idOf(c)))
  return app
}

/** Adds /livez, /readyz and, where `verbose` allows it, the checks behind them. */
export function mountHealth(app: Hono<EdgeEnv>, health: Health, verbose: (c: Context) => boolean): void {
  const endpoints: Readonly<Record<string, () => HealthReport>> = {
    '/livez': () => health.live(),
    '/readyz': () => health.ready(),
    '/startupz': () => health.started(),
  }
  for (const [path, report] of Object.entries(endpoints)) {
    app.get(path, (c) => {
      c.set('routeLabel', path)
      const { status, checks } = report()
      const wanted = c.req.query('verbose') !== undefined
      if (wanted && !verbose(c)) return problemResponse({ code: 'unauthorized' }, idOf(c))
      return Response.json(wanted ? { status, checks } : { status }, {
        status: status === 'ok' ? 200 : 503,
        headers: { 'Cache-Control': 'no-store' },
      })
    })
  }
}

function isAllowed(c: Context, token: string | undefined): boolean {
  if (token === undefined) return true
  const given = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
  // Hashes have one length, and comparing them takes one time.
  return timingSafeEqual(digest(given), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function idOf(c: Context): string {
  return exchangeOf(c.env)?.requestId ?? requestIdOf(c.req.header('x-request-id'))
}
