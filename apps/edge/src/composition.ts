// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import type { Context, Next } from 'hono'
import { mountHealth } from './admin.ts'
import type { Mount } from './capability.ts'
import { exchangeOf, noteContext, withContext } from './context.ts'
import type { EdgeEnv } from './context.ts'
import { OptionFault } from './config/option-fault.ts'
import type { Health } from './health.ts'
import { indexPage } from './index-page.ts'
import { problemResponse } from './problem.ts'
import { requestIdOf } from './request-id.ts'

export interface CompositionOptions {
  readonly mounts: readonly Mount[]
  /** A page at `GET /`. */
  readonly index: boolean
  /** /livez and /readyz here too. */
  readonly health: Health | undefined
}

/** Puts the surfaces behind one router: the longest path wins, and what is below a surface's path is its own. */
export function composeApp(options: CompositionOptions): Hono<EdgeEnv> {
  const mounts = options.mounts.filter(hasPath).toSorted((a, b) => b.path.length - a.path.length)
  checkPaths(mounts)
  const app = new Hono<EdgeEnv>()
  const note = noteContext(mounts)
  const notFound = (c: Context): Response => {
    note(c)
    return problemResponse({ code: 'not_found', detail: 'Nothing is mounted here.' }, idOf(c))
  }
  const own = new Hono<EdgeEnv>()
  if (options.health !== undefined) mountHealth(own, options.health, () => false)
  if (options.index) own.get('/', unlessUpgrade(indexPage(options.mounts)))
  app.route('/', withContext(own, note))
  for (const mount of mounts) {
    app.route(mount.path, withContext(mount.capability.routes, note))
    // What a surface does not know below its path is not for the next one.
    if (mount.path !== '/') app.all(`${mount.path}/*`, notFound)
  }
  app.notFound(notFound)
  app.onError((error, c) => {
    const exchange = exchangeOf(c.env)
    exchange?.fail(error)
    return problemResponse({ code: 'internal' }, idOf(c))
  })
  return app
}

type PlacedMount = Mount & { readonly path: string }

function hasPath(mount: Mount): mount is PlacedMount {
  return mount.path !== undefined
}

function checkPaths(mounts: readonly PlacedMount[]): void {
  const seen = new Map<string, string>()
  for (const { path, surface, pathKey } of mounts) {
    const isPath = path === '/' || /^\/[^?#*:]*[^/?#*:]$/.test(path)
    const other = seen.get(path)
    const fault = isPath ? other && `belongs to ${other} already` : 'cannot be mounted'
    seen.set(path, surface)
    if (fault === undefined) continue
    // In a configuration the key says whose path it is.
    if (pathKey === undefined) throw new TypeError(`path of ${surface}: "${path}" ${fault}`)
    throw new OptionFault(pathKey, (option) => option, new TypeError(`"${path}" ${fault}`))
  }
}

function unlessUpgrade(page: (c: Context) => Response): (c: Context, next: Next) => Response | Promise<void> {
  return (c, next) => (c.req.header('upgrade') === undefined ? page(c) : next())
}

function idOf(c: Context): string {
  return exchangeOf(c.env)?.requestId ?? requestIdOf(c.req.header('x-request-id'))
}
