// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import { basePath, baseRoutePath } from 'hono/route'
import { rawRequest } from './upgrade/raw-request.ts'
import type { UpgradeRefusal } from './upgrade/refusal.ts'

/** The path of a request below the place its routes are mounted at. */
export interface MountedPath {
  /** Begins with `/`; still percent-encoded. */
  readonly path: string
  /** Mounted at the root, which others share. */
  readonly isShared: boolean
}

// The WHATWG URL parser resolves these; whoever routes by its result sees another path.
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?=\/|$)/i

/** Cuts the segments of the mount point off the raw target, or says why there is no such path. */
export function mountedPath(c: Context): MountedPath | UpgradeRefusal {
  const { url } = rawRequest(c)
  const end = url.search(/[?#]/)
  const path = end === -1 ? url : url.slice(0, end)
  if (dotSegment.test(path))
    return { code: 'bad_request', detail: 'dot segments are not resolved: send the path itself' }
  if (slashes(path) !== slashes(c.req.path)) {
    return { code: 'unsupported', detail: 'mount with app.route(): app.mount() hides part of the path' }
  }
  // Without parameters this is text that needs no look at the request.
  const base = baseRoutePath(c)
  const mounted = /[:*{]/.test(base) ? basePath(c) : base
  const skip = mounted === '/' ? 0 : slashes(mounted)
  let cut = 0
  for (let segment = 0; segment < skip; segment += 1) {
    cut = path.indexOf('/', cut + 1)
    if (cut === -1) return { path: '/', isShared: false }
  }
  return { path: path.slice(cut), isShared: skip === 0 }
}

function slashes(path: string): number {
  let count = 0
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) count += 1
  return count
}
