// SPDX-License-Identifier: Apache-2.0
import { pipeline } from 'node:stream/promises'
import type { Context, Hono } from 'hono'
import { exchangeOf } from './context.ts'
import type { EdgeEnv } from './context.ts'
import type { EdgeResponse, Exchange } from './exchange.ts'
import type { Logger } from './log.ts'
import { problemResponse } from './problem.ts'
import { heapSnapshot } from './profiles/heap-snapshot.ts'
import type { Profile } from './profiles/profile.ts'
import { cpuProfile, heapProfile } from './profiles/sampled-profile.ts'

interface ProfileKind {
  readonly path: string
  /** By this the tools that open a profile know it. */
  readonly extension: string
  /** Takes as long as the request says. */
  readonly isSampled: boolean
  readonly take: (ms: number, signal: AbortSignal) => Profile | Promise<Profile>
}

const kinds: readonly ProfileKind[] = [
  { path: '/debug/cpu', extension: 'cpuprofile', isSampled: true, take: cpuProfile },
  { path: '/debug/heap', extension: 'heapprofile', isSampled: true, take: heapProfile },
  { path: '/debug/heap-snapshot', extension: 'heapsnapshot', isSampled: false, take: heapSnapshot },
]

const defaultSeconds = 10
const maxSeconds = 60
const secondsFault = `seconds is a whole number from 1 to ${maxSeconds}, given once; ${defaultSeconds} when left out.`

/** When the profile that is being taken will be ready: V8 takes one at a time, for all edges of a process. */
let readyAtMs: number | undefined

/** Adds the profiles of V8, which hold whatever is in memory, for those who are allowed to have them. */
export function mountProfiles(app: Hono<EdgeEnv>, log: Logger, isAllowed: (c: Context) => boolean): void {
  for (const kind of kinds) {
    app.get(kind.path, (c) => {
      c.set('routeLabel', kind.path)
      const exchange = exchangeOf(c.env)
      // A WebSocket handshake cannot be answered with a profile.
      if (exchange?.outgoing === undefined) return c.notFound()
      if (!isAllowed(c)) return problemResponse({ code: 'unauthorized' }, exchange.requestId)
      const seconds = kind.isSampled ? secondsOf(c.req.queries('seconds')) : 0
      if (seconds === undefined)
        return problemResponse({ code: 'bad_request', detail: secondsFault }, exchange.requestId)
      if (c.req.method === 'HEAD') return new Response(null, { headers: headersOf(kind) })
      if (readyAtMs !== undefined) return refused(readyAtMs, exchange)
      return answer(kind, seconds * 1000, { exchange, outgoing: exchange.outgoing, log })
    })
  }
}

function secondsOf(given: readonly string[] = [String(defaultSeconds)]): number | undefined {
  const [text = ''] = given
  const seconds = /^[1-9]\d?$/.test(text) ? Number(text) : Infinity
  return given.length === 1 && seconds <= maxSeconds ? seconds : undefined
}

function refused(readyAtMs: number, exchange: Exchange): Response {
  const detail = 'Another profile is being taken: one at a time.'
  const retryAfterSeconds = Math.max(1, Math.ceil((readyAtMs - performance.now()) / 1000))
  return problemResponse({ code: 'profile_running', detail, retryAfterSeconds }, exchange.requestId)
}

interface Asker {
  readonly exchange: Exchange
  readonly outgoing: EdgeResponse
  readonly log: Logger
}

/** Takes a profile and sends it; ends both when the asker leaves. */
async function answer(kind: ProfileKind, ms: number, asker: Asker): Promise<Response> {
  const { exchange, outgoing, log } = asker
  const left = new AbortController()
  outgoing.once('close', () => left.abort())
  readyAtMs = performance.now() + ms
  try {
    await send(await kind.take(ms, left.signal), kind, asker)
    return exchange.take()
  } catch (error) {
    if (left.signal.aborted) return exchange.take()
    log.error({ err: error, requestId: exchange.requestId, route: kind.path }, 'could not take a profile')
    // Too late for a status: the connection has been cut, so that the asker sees that the profile is not whole.
    if (outgoing.headersSent) return exchange.take()
    const detail = 'The profile could not be taken; the log says why.'
    return problemResponse({ code: 'internal', detail }, exchange.requestId)
  } finally {
    readyAtMs = undefined
  }
}

async function send({ bytes, content }: Profile, kind: ProfileKind, { exchange, outgoing }: Asker): Promise<void> {
  outgoing.writeHead(200, { ...exchange.head(200), ...headersOf(kind), 'Content-Length': bytes })
  await pipeline(content, outgoing)
}

function headersOf({ extension }: ProfileKind): Record<string, string> {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  return {
    'Content-Type': 'application/json',
    'Content-Disposition': `attachment; filename="nats-edge-${time}.${extension}"`,
    'Cache-Control': 'no-store',
  }
}
