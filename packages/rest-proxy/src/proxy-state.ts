// SPDX-License-Identifier: Apache-2.0
import { TimerWheel } from '@nats-edge/wire-parser/bus'
import type { Principal } from '@nats-edge/wire-parser'
import type { Context } from 'hono'
import { type BusSource, busSource } from './bus-source.ts'
import { Counters } from './counters.ts'
import type { RestProxyEvent } from './event.ts'
import { FlushQueue } from './flush-queue.ts'
import { Lifecycle } from './lifecycle.ts'
import { type ResolvedOptions, type RestProxyOptions, resolveOptions } from './options.ts'
import { ReplyHooks } from './reply-hook.ts'
import type { RequestTarget } from './request-target.ts'
import { withoutTrailingSlash } from './route-subject.ts'

/** What the requests of one proxy share. */
export class ProxyState {
  readonly source: BusSource
  readonly counters: Counters = new Counters()
  readonly lifecycle: Lifecycle = new Lifecycle()
  readonly hooks: ReplyHooks = new ReplyHooks()
  readonly flushes: FlushQueue = new FlushQueue()
  readonly wheel: TimerWheel = new TimerWheel()
  /** Replaced as a whole by a reload. */
  options: ResolvedOptions
  /** Whether a request has come: from then on hooks stay as they are. */
  isServing = false

  constructor(options: RestProxyOptions) {
    this.options = resolveOptions(options)
    this.source = busSource(options.nats)
  }

  /** Undefined where nobody observes, so that no event is built for nobody. */
  get observe(): ((event: RestProxyEvent) => void) | undefined {
    return this.options.observe === undefined ? undefined : this.#observe
  }

  principalOf(c: Context): Principal | undefined {
    const { principal } = this.options
    const found: unknown = principal === undefined ? c.get('principal') : principal(c)
    return isPrincipal(found) ? found : undefined
  }

  /** The path as the route table sees it. */
  routedPath(target: RequestTarget): string {
    const { path } = target
    return this.options.trailingSlash === 'strip' && path !== '/' ? withoutTrailingSlash(path) : path
  }

  // An observer that fails must not fail the request it only looks at.
  readonly #observe = (event: RestProxyEvent): void => {
    try {
      this.options.observe?.(event)
    } catch {
      this.counters.observeFailed++
    }
  }
}

function isPrincipal(value: unknown): value is Principal {
  return typeof value === 'object' && value !== null && 'id' in value && 'permissions' in value
}
