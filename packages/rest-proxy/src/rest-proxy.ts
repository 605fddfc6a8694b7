// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily } from '@nats-edge/wire-parser'
import { type Context, Hono, type Next } from 'hono'
import { handle } from './handler.ts'
import type { CloseOptions } from './lifecycle.ts'
import type { RestProxyOptions } from './options.ts'
import { ProxyState } from './proxy-state.ts'
import { prepareReload, type ReloadReport } from './reload.ts'
import type { ReplyHook } from './reply-hook.ts'

/** HTTP in front of NATS, as a Hono app to mount. */
export interface RestProxy {
  /** Mount with `app.route(path, proxy.routes)`; what is behind it may be reloaded, it stays. */
  readonly routes: Hono
  /**
   * Adds a hook that runs on every reply whose decoded path the pattern is found in. Hooks run in the order they were
   * added. Throws TypeError for a bad pattern and once requests have come.
   */
  addHook(pattern: RegExp | string, hook: ReplyHook): void
  /** Numbers for metrics; cheap and without side effects. */
  stats(): Iterable<MetricFamily>
  /** Resolves when the connection is there; rejects when it never will be. A source chosen per caller is always ready. */
  ready(): Promise<void>
  /** Checks new options and throws what is wrong with them; the returned function puts them into effect. */
  reload(options: unknown): () => ReloadReport
  /**
   * Refuses new requests, lets those under way finish and never closes `nats`. A second call may only shorten.
   * Rejects with RangeError for a time that is none.
   */
  close(options?: CloseOptions): Promise<void>
}

/** Makes the proxy. Throws TypeError or RangeError naming the option and its value. */
export function restProxy(options: RestProxyOptions): RestProxy {
  const state = new ProxyState(options)
  const { signal } = options
  const routes = new Hono()
  routes.all('*', (c: Context, next: Next) => handle(state, c, next))
  const abort = (): void => void state.lifecycle.close({ drainMs: 0 })
  if (signal?.aborted === true) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  let current = options
  return {
    routes,
    addHook(pattern, hook) {
      if (state.isServing) throw new TypeError('addHook() must be called before the first request')
      state.hooks.add(pattern, hook)
    },
    stats: () => state.counters.families(state.lifecycle.size),
    ready: () => state.source.ready(),
    reload(next) {
      const prepared = prepareReload(current, next, state.options)
      return () => {
        current = prepared.options
        state.options = prepared.resolved
        return prepared.report
      }
    },
    async close(closeOptions) {
      await state.lifecycle.close(closeOptions)
      if (state.lifecycle.refusal() !== undefined) signal?.removeEventListener('abort', abort)
    },
  }
}
