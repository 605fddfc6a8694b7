// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { type Middleware, runChain } from './chain.ts'
import { contextFor } from './context.test-support.ts'

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function trace(...build: ((log: (text: string) => void) => Middleware)[]) {
  const seen: string[] = []
  const log = (text: string): void => void seen.push(text)
  return { seen, log, middleware: build.map((make) => make(log)) }
}

const around =
  (name: string) =>
  (log: (text: string) => void): Middleware =>
  async (_, next) => {
    log(`${name} in`)
    await next()
    log(`${name} out`)
  }

const recover: Middleware = async (c, next) => {
  try {
    await next()
  } catch {
    c.json(418, {})
  }
}

const after: Middleware = async (_, next) => {
  await next()
  throw new Error('after')
}

const twice: Middleware = async (_, next) => {
  await next()
  await next()
}

describe('runChain', () => {
  it('runs middleware in order around the handler', async () => {
    const { seen, log, middleware } = trace(around('a'), around('b'))
    await runChain(contextFor({}), middleware, async () => {
      await later()
      log('handler')
    })
    expect(seen).toEqual(['a in', 'b in', 'handler', 'b out', 'a out'])
  })

  it('stays synchronous where nothing waits', () => {
    const { seen, log, middleware } = trace(
      (log) => (_, next) => {
        log('a')
        return next()
      },
      (log) => (_, next) => {
        log('b')
        void next()
        log('b out')
      },
    )
    expect(runChain(contextFor({}), middleware, () => log('handler'))).toBeUndefined()
    expect(seen).toEqual(['a', 'b', 'handler', 'b out'])
    expect(runChain(contextFor({}), [], () => 'ignored')).toBeUndefined()
  })

  it('ends without next()', async () => {
    const { seen, log, middleware } = trace(
      (log) => () => log('a'),
      (log) => () => log('b'),
    )
    await runChain(contextFor({}), middleware, () => log('handler'))
    expect(seen).toEqual(['a'])
  })

  it('ends after abort(), also if next() is called', async () => {
    const { seen, log, middleware } = trace(
      around('a'),
      (log) => async (c, next) => {
        c.abortWithJSON({}, 403)
        await next()
        log('b out')
      },
      around('c'),
    )
    const c = contextFor({})
    await runChain(c, middleware, () => log('handler'))
    expect(seen).toEqual(['a in', 'b out', 'a out'])
    expect(c.response.statusCode).toBe(403)
  })

  it('throws what a handler throws, at once or later', async () => {
    const boom = new Error('boom')
    const fail = (): never => {
      throw boom
    }
    expect(() => runChain(contextFor({}), [], fail)).toThrow(boom)
    await expect(runChain(contextFor({}), [], async () => fail())).rejects.toBe(boom)
    await expect(runChain(contextFor({}), [(_, next) => next()], fail)).rejects.toBe(boom)
    await expect(runChain(contextFor({}), [async (_, next) => await next()], fail)).rejects.toBe(boom)
  })

  it('lets a middleware catch what comes behind it', async () => {
    const c = contextFor({})
    await runChain(c, [recover], async () => {
      await later()
      throw new Error('boom')
    })
    expect(c.response.statusCode).toBe(418)
  })

  it('throws what a middleware throws before and after next()', async () => {
    const { seen, log } = trace()
    const before = runChain(contextFor({}), [async () => Promise.reject(new Error('before'))], () => log('handler'))
    await expect(before).rejects.toThrow('before')
    expect(seen).toEqual([])
    await expect(runChain(contextFor({}), [after], () => log('handler'))).rejects.toThrow('after')
    expect(seen).toEqual(['handler'])
  })

  it.each([
    ['synchronous', (_: unknown, next: () => Promise<void>): void => void next()],
    ['async', async (_: unknown, next: () => Promise<void>): Promise<void> => void next()],
  ])('waits for a handler whose %s middleware does not', async (_, careless) => {
    const { seen, log } = trace()
    await runChain(contextFor({}), [careless], async () => {
      await later()
      log('handler')
    })
    expect(seen).toEqual(['handler'])
    const failing = runChain(contextFor({}), [careless], async () => {
      await later()
      throw new Error('not lost')
    })
    await expect(failing).rejects.toThrow('not lost')
  })

  it('refuses a second next()', async () => {
    const { seen, log } = trace()
    await expect(runChain(contextFor({}), [twice], () => log('handler'))).rejects.toThrow('twice')
    expect(seen).toEqual(['handler'])
  })

  it('waits for a thenable that is no promise', async () => {
    const { seen, log } = trace()
    const handler = (): PromiseLike<void> => ({
      // oxlint-disable-next-line unicorn/no-thenable -- a thenable is what is tested
      then: (resolve) =>
        later()
          .then(() => log('done'))
          .then(resolve),
    })
    await runChain(contextFor({}), [], handler)
    expect(seen).toEqual(['done'])
  })
})
