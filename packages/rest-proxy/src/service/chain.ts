// SPDX-License-Identifier: Apache-2.0
import type { ServiceContext } from './context.ts'

/** Answers one request by filling `c.response`; may be async. */
export type Handler = (c: ServiceContext) => unknown

/** Runs before the handlers, in order of registration; the request goes no further unless it calls `next()`. */
export type Middleware = (c: ServiceContext, next: () => Promise<void>) => unknown

const done: Promise<void> = Promise.resolve()

/**
 * Runs the middleware and then the handler. Returns undefined if everything ended synchronously, so that requests which
 * await nothing cost no promise.
 */
export function runChain(
  c: ServiceContext,
  middleware: readonly Middleware[],
  handler: Handler,
  index = 0,
): Promise<void> | undefined {
  if (c.aborted) return undefined
  const current = middleware[index]
  if (current === undefined) return settled(handler(c))
  let called = false
  let open = false
  let downstream: Promise<void> = done
  const next = (): Promise<void> => {
    if (called) throw new Error('a middleware called next() twice')
    called = true
    downstream = start(c, middleware, handler, index + 1)
    if (downstream !== done) {
      open = true
      const close = (): void => {
        open = false
      }
      // Also keeps a rejection nobody looks at from ending the process.
      downstream.then(close, close)
    }
    return downstream
  }
  const result = current(c, next)
  if (!isThenable(result) || result === downstream) return downstream === done ? undefined : downstream
  if (result === done) return undefined
  return Promise.resolve(result).then(() => (open ? downstream : undefined))
}

/** Runs the rest of the chain behind `next()`, whose errors always arrive as a rejection. */
function start(c: ServiceContext, middleware: readonly Middleware[], handler: Handler, index: number): Promise<void> {
  try {
    return runChain(c, middleware, handler, index) ?? done
  } catch (error) {
    return Promise.reject(error)
  }
}

function settled(result: unknown): Promise<void> | undefined {
  return isThenable(result) ? Promise.resolve(result) : undefined
}

/** Whether a handler's result must be waited for. */
export function isThenable(value: unknown): value is PromiseLike<void> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
