// SPDX-License-Identifier: Apache-2.0
import { compilePermissions, type Principal } from '@nats-edge/wire-parser'
import { afterAll, beforeAll, vi } from 'vitest'
import type { ChannelConnection } from '../channel-connection.ts'
import { compose, type Handler, type Middleware, type Reply, type Site } from '../chain.ts'
import type { SendOptions } from '../connection.ts'
import type { WsEvent } from '../event.ts'
import { RequestRun } from '../request-run.ts'
import { WsError } from '../ws-error.ts'

export interface TestConnection {
  readonly id?: string
  readonly path?: string
  readonly params?: Readonly<Record<string, string>>
  readonly ip?: string
  readonly principal?: Principal | undefined
  readonly traceparent?: string | undefined
}

export interface TestFacts {
  readonly id?: string | number
  readonly key?: string
  readonly route?: string
  readonly data?: unknown
  readonly bytes?: Buffer
  readonly binary?: boolean
  readonly connection?: TestConnection
}

/** The request the first link of a chain gets, with what it has answered. */
export interface TestRequest extends RequestRun<unknown> {
  readonly replies: { readonly value: unknown; readonly options: SendOptions | undefined }[]
}

let count = 0

/** Makes a real request of a connection of which only the facts are there. */
export function requestOf(facts: TestFacts = {}): TestRequest {
  count += 1
  const connection = { id: `c${count}`, path: '/test', params: {}, ip: '192.0.2.1', state: 'open', ...facts.connection }
  const replies: { value: unknown; options: SendOptions | undefined }[] = []
  const run = new RequestRun<unknown>(
    {
      id: facts.id,
      key: facts.key ?? 'key',
      data: facts.data,
      bytes: facts.bytes ?? Buffer.from('message'),
      binary: facts.binary ?? false,
    },
    { pattern: facts.route ?? 'route', params: [], value: undefined as never },
    {
      connection: connection as unknown as ChannelConnection<unknown>,
      batch: undefined,
      answering: {
        item: (_run, value, options) => {
          replies.push({ value, options })
          return true
        },
      },
    },
  )
  return Object.assign(run, { replies })
}

export function principalOf(id: string): Principal {
  return { id, name: id, claims: {}, permissions: compilePermissions({}) }
}

/** Runs a request through middleware, outermost first, to a handler. */
export function run(
  middleware: readonly Middleware[],
  handler: Handler,
  request: RequestRun<unknown> = requestOf(),
): Reply {
  return compose(middleware, handler)(request)
}

/** Waits for the code a reply fails with; 'ok' where it does not. */
export async function codeOf(reply: () => Reply): Promise<string> {
  try {
    await reply()
    return 'ok'
  } catch (error) {
    return error instanceof WsError ? error.code : String(error)
  }
}

/** Waits for the error a reply fails with. */
export async function failureOf(reply: () => Reply): Promise<WsError> {
  try {
    await reply()
  } catch (error) {
    if (error instanceof WsError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Reads a stream to its end. */
export async function itemsOf(stream: Reply): Promise<unknown[]> {
  const items: unknown[] = []
  for await (const item of (await stream) as AsyncIterable<unknown>) items.push(item)
  return items
}

/** A stream the test feeds, and sees the end of. */
export class TestStream implements AsyncIterableIterator<unknown> {
  wasReturned = false
  pulls = 0
  readonly #results: Promise<IteratorResult<unknown>>[] = []
  readonly #waiting: ((result: Promise<IteratorResult<unknown>>) => void)[] = []

  push(value: unknown): void {
    this.#add(Promise.resolve({ done: false, value }))
  }

  end(): void {
    this.#add(Promise.resolve({ done: true, value: undefined }))
  }

  break(reason: unknown): void {
    const broken = Promise.reject<IteratorResult<unknown>>(reason as Error)
    broken.catch(() => {})
    this.#add(broken)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<unknown>> {
    this.pulls += 1
    const result = this.#results.shift()
    return result ?? new Promise((resolve) => this.#waiting.push(resolve))
  }

  return(): Promise<IteratorResult<unknown>> {
    this.wasReturned = true
    return Promise.resolve({ done: true, value: undefined })
  }

  #add(result: Promise<IteratorResult<unknown>>): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#results.push(result)
    else waiting(result)
  }
}

/** A handler whose calls the test answers one by one. */
export interface ManualCall {
  readonly request: RequestRun<unknown>
  resolve(value?: unknown): void
  reject(error: unknown): void
}

export function manualHandler(): Handler & { readonly calls: ManualCall[] } {
  const calls: ManualCall[] = []
  const handler: Handler = (request) =>
    new Promise((resolve, reject) => calls.push({ request: request as RequestRun<unknown>, resolve, reject }))
  return Object.assign(handler, { calls })
}

export function siteOf(events: WsEvent[], channel = '/test', route: string | undefined = 'route'): Site {
  return { channel, route, observe: (event) => events.push(event) }
}

/** Puts a clock of its own under a file: one for all its tests, because deadlines share a timer that goes on. */
export function useVirtualClock(): void {
  beforeAll(() => {
    vi.useFakeTimers()
  })
  afterAll(() => {
    vi.useRealTimers()
  })
}

/** Lets time pass, and everything that was waiting for it happen. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}
