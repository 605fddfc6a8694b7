// SPDX-License-Identifier: Apache-2.0
import type { Middleware, Site } from '../chain.ts'
import { freshMs, turnMs } from '../clock.ts'
import { hook } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import type { WsErrorCode } from '../ws-error.ts'
import { follow } from './outcome.ts'

export interface Measurement {
  readonly code: 'ok' | WsErrorCode
  readonly ms: number
}

/** Tells how each request ended and how long it took, a stream up to its end. A throw of `save` reaches `observe` only. */
export function measure<U>(save: (request: WsRequest<U>, measurement: Measurement) => void): Middleware<U> {
  if (hook('measure: save', save) === undefined) throw new TypeError('measure: give a function')
  const sites = new Map<string, Site>()
  const middleware: Middleware<U> = (request, next) => {
    const startedAt = turnMs()
    return follow(next, (failure) => {
      try {
        save(request, { code: failure?.code ?? 'ok', ms: freshMs() - startedAt })
      } catch (error) {
        const { path } = request.connection
        sites.get(path)?.observe({ type: 'handler.failed', channel: path, handler: 'handler', error })
      }
    })
  }
  return Object.assign(middleware, { mount: (site: Site) => void sites.set(site.channel, site) })
}
