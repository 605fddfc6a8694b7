// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { NatsServer } from '@nats-edge/embedded-nats'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { EdgeProcess } from './edge-process.test-support.ts'
import type { RunOptions } from './edge-process.test-support.ts'
import { metricOf, RawClient, scratchFolder, startBroker, startEdge, until } from './edge.test-support.ts'
import type { TestEdge } from './edge.test-support.ts'

const token = 'profile-canary'
const headers = { authorization: `Bearer ${token}` }
const paths = ['/debug/cpu', '/debug/heap', '/debug/heap-snapshot']

let broker: NatsServer
const edges: TestEdge[] = []
const processes: EdgeProcess[] = []
const clients: RawClient[] = []

beforeAll(async () => {
  broker = await startBroker()
})

afterAll(async () => {
  await broker.stop()
})

afterEach(async () => {
  for (const each of clients.splice(0)) each.destroy()
  for (const each of edges.splice(0)) await each.close({ graceMs: 0 })
  for (const each of processes.splice(0)) await each.dispose()
})

async function started(profiles = true, config: Readonly<Record<string, unknown>> = {}): Promise<TestEdge> {
  const address = '127.0.0.1:0'
  const listen = { public: { address }, admin: { address, token, profiles } }
  const each = await startEdge(broker.url, { listen, rest: { defaultRoute: false }, ...config })
  edges.push(each)
  return each
}

interface ServedEdge {
  readonly each: EdgeProcess
  readonly url: string
  readonly adminUrl: string
}

/** The built program, whose code has the names and files an operator sees in a profile. */
async function served(env: RunOptions['env'] = {}, settings: readonly string[] = []): Promise<ServedEdge> {
  const all = [
    `nats.servers=${broker.url}`,
    'listen.public.address=127.0.0.1:0',
    'listen.admin.address=127.0.0.1:0',
    `listen.admin.token=${token}`,
    'listen.admin.profiles=true',
    ...settings,
  ]
  const each = new EdgeProcess(['serve', ...all.flatMap((setting) => ['--set', setting])], { env })
  processes.push(each)
  await each.printed(/"msg":"ready"/)
  const [, url = '', adminUrl = ''] = await each.printed(/"public":"(http:[^"]+)","admin":"(http:[^"]+)"/)
  return { each, url, adminUrl }
}

function ask(adminUrl: string, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(adminUrl + path, { headers, ...init })
}

/** Asks on a connection of its own, which the caller may leave unread or cut. */
function askRaw(adminUrl: string, path: string, more = ''): RawClient {
  const each = new RawClient(adminUrl)
  clients.push(each)
  return each.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n${more}\r\n`)
}

async function metric(adminUrl: string, series: string): Promise<number | undefined> {
  return metricOf(await (await ask(adminUrl, '/metrics')).text(), series)
}

/** Waits until a request is being answered beside the one that asks for metrics. */
function untilRunning(adminUrl: string): Promise<true> {
  const inFlight = 'nats_edge_http_inflight{listener="admin"}'
  return until('a profile is being taken', async () => (await metric(adminUrl, inFlight)) === 2)
}

/** Takes a profile while the edge answers one request after the other. */
async function underLoad({ url, adminUrl }: ServedEdge, path: string): Promise<Response> {
  const load = { isOver: false }
  const profile = ask(adminUrl, path).finally(() => {
    load.isOver = true
  })
  while (!load.isOver) await (await fetch(`${url}/`)).text()
  return profile
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
}

interface HeapNode {
  readonly callFrame: CallFrame
  readonly selfSize: number
  readonly children: readonly HeapNode[]
}

function flat(node: HeapNode): readonly HeapNode[] {
  return [node, ...node.children.flatMap(flat)]
}

function fileOf(response: Response): string {
  return /^attachment; filename="([^"]+)"$/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? ''
}

function expectDownload(response: Response, extension: string): void {
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('x-request-id')).toMatch(/./)
  expect(fileOf(response)).toMatch(new RegExp(`^nats-edge-\\d{8}T\\d{6}Z\\.${extension}$`))
}

describe('a profile of a running edge', () => {
  it('of the CPU shows which of its functions ran', async () => {
    const response = await underLoad(await served(), '/debug/cpu?seconds=1')
    expectDownload(response, 'cpuprofile')
    const profile: {
      readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
      readonly samples: readonly number[]
      readonly timeDeltas: readonly number[]
      readonly startTime: number
      readonly endTime: number
    } = JSON.parse(await response.text())
    expect(profile.samples.length).toBeGreaterThan(10)
    expect(profile.timeDeltas).toHaveLength(profile.samples.length)
    const ids = new Set(profile.nodes.map(({ id }) => id))
    expect(profile.samples.filter((id) => !ids.has(id))).toEqual([])
    const own = profile.nodes.filter(({ callFrame }) => callFrame.url.endsWith('/apps/edge/dist/listener.js'))
    expect(own.map(({ callFrame }) => callFrame.functionName)).toContain('#fetch')
    // Microseconds: as long as was asked for, not the ten seconds it is by default.
    expect(profile.endTime - profile.startTime).toBeGreaterThan(900_000)
    expect(profile.endTime - profile.startTime).toBeLessThan(9_000_000)
  })

  it('of the heap shows who allocated what is still there', async () => {
    const response = await underLoad(await served(), '/debug/heap?seconds=1')
    expectDownload(response, 'heapprofile')
    const { head }: { readonly head: HeapNode } = JSON.parse(await response.text())
    expect(head.callFrame.functionName).toBe('(root)')
    expect(head.children.length).toBeGreaterThan(0)
    const nodes = flat(head)
    expect(nodes.reduce((bytes, { selfSize }) => bytes + selfSize, 0)).toBeGreaterThan(0)
    expect(nodes.map(({ callFrame }) => callFrame.url).filter((url) => url !== '').length).toBeGreaterThan(0)
  })

  it('that is a snapshot of the heap holds everything, secrets too, and leaves no file behind', async () => {
    const folder = scratchFolder()
    const { adminUrl } = await served({ TMPDIR: folder })
    const response = await ask(adminUrl, '/debug/heap-snapshot')
    expectDownload(response, 'heapsnapshot')
    const text = await response.text()
    expect(Buffer.byteLength(text)).toBe(Number(response.headers.get('content-length')))
    const { snapshot, nodes, strings } = JSON.parse(text)
    expect(nodes).toHaveLength(snapshot.node_count * snapshot.meta.node_fields.length)
    expect(strings.join('\n')).toContain(token)
    expect(strings).toContain('EdgeServer')
    expect(readdirSync(folder)).toEqual([])
    rmdirSync(folder)
  })

  it('that is a snapshot waits for a slow reader outside of memory', async () => {
    const { adminUrl } = await served()
    const before = (await metric(adminUrl, 'nodejs_external_memory_bytes')) ?? 0
    const slow = askRaw(adminUrl, '/debug/heap-snapshot')
    const head = await slow.until(/\r\n\r\n/)
    slow.socket.pause()
    const bytes = Number(/Content-Length: (\d+)/.exec(head)?.[1])
    expect(bytes).toBeGreaterThan(8_000_000)
    const during = (await metric(adminUrl, 'nodejs_external_memory_bytes')) ?? Infinity
    expect(during - before).toBeLessThan(bytes / 4)
    slow.socket.resume()
    await until('all is there', () => slow.received.length >= bytes && slow.received.endsWith('}'))
  })
})

describe('profiles', () => {
  it('are not there unless they are switched on, and never on the public listener (reliability T29)', async () => {
    const off = await started(false)
    const on = await started()
    for (const path of paths) {
      const missing = await ask(off.adminUrl, path)
      expect(missing.status).toBe(404)
      expect(await missing.json()).toMatchObject({ code: 'not_found' })
      expect((await ask(on.url, path)).status).toBe(404)
      expect((await ask(on.adminUrl, path, { method: 'POST' })).status).toBe(404)
    }
  })

  it.each([undefined, 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`])(
    'are refused to who says %j, as metrics are (reliability T29)',
    async (authorization) => {
      const each = await started()
      const init = { headers: authorization === undefined ? {} : { authorization } }
      for (const path of [...paths, '/debug/cpu?seconds=none', '/metrics']) {
        const response = await ask(each.adminUrl, path, init)
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toBe('Bearer realm="nats-edge admin"')
        expect(await response.json()).toMatchObject({ code: 'unauthorized' })
      }
      expect(JSON.stringify(each.lines)).not.toContain(token)
    },
  )

  it.each(['0', '61', '100', '-1', '1.5', '1e1', '01', '+5', '', '10s', ' 5', '1&seconds=2'])(
    'say the bounds when seconds=%s',
    async (seconds) => {
      const each = await started()
      for (const path of ['/debug/cpu', '/debug/heap']) {
        const response = await ask(each.adminUrl, `${path}?seconds=${seconds}`)
        expect(response.status).toBe(400)
        expect(await response.json()).toMatchObject({
          code: 'bad_request',
          detail: 'seconds is a whole number from 1 to 60, given once; 10 when left out.',
        })
      }
    },
  )

  it('are only described to HEAD, and not given to a WebSocket handshake', async () => {
    const each = await started()
    // While it runs, who asks for another one is refused.
    askRaw(each.adminUrl, '/debug/cpu?seconds=60')
    await untilRunning(each.adminUrl)
    for (const path of paths) {
      const described = await ask(each.adminUrl, path, { method: 'HEAD' })
      expect(described.status).toBe(200)
      expect(described.headers.get('content-disposition')).toContain('attachment; filename=')
      const upgrade =
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n'
      expect(await askRaw(each.adminUrl, path, upgrade).until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 404 /)
    }
  })

  it('are counted and logged by their route', async () => {
    const each = await started()
    await (await ask(each.adminUrl, '/debug/heap?seconds=1')).text()
    const series = 'nats_edge_http_requests_total{surface="admin",route="/debug/heap",method="GET",code="200"}'
    await until('it is counted', async () => (await metric(each.adminUrl, series)) === 1)
    expect(each.lines).toContainEqual(expect.objectContaining({ msg: 'request', route: '/debug/heap', status: 200 }))
  })

  it('may take longer than any deadline of a request', async () => {
    const limits = { deadlines: { headers: '1s', body: '1s', write: '1s', keepAlive: '1s' } }
    const each = await started(true, { limits })
    const response = await ask(each.adminUrl, '/debug/cpu?seconds=4')
    expect(response.status).toBe(200)
    expect(JSON.parse(await response.text())).toHaveProperty('nodes')
  })
})

describe('one profile at a time', () => {
  it('is taken in a process: who asks for another one is told when to come back', async () => {
    const [first, other] = [await started(), await started()]
    askRaw(first.adminUrl, '/debug/cpu?seconds=60')
    await untilRunning(first.adminUrl)
    for (const { adminUrl } of [first, other]) {
      for (const path of paths) {
        const response = await ask(adminUrl, path)
        expect(response.status).toBe(409)
        expect(await response.json()).toMatchObject({ code: 'profile_running' })
        const seconds = Number(response.headers.get('retry-after'))
        expect(seconds).toBeGreaterThan(0)
        expect(seconds).toBeLessThanOrEqual(60)
      }
    }
    expect((await ask(first.adminUrl, '/livez')).status).toBe(200)
  })

  it.each(['/debug/cpu', '/debug/heap'])('ends when who asked for %s leaves, and the next one begins', async (path) => {
    const each = await started()
    const leaving = askRaw(each.adminUrl, `${path}?seconds=60`)
    await untilRunning(each.adminUrl)
    expect((await ask(each.adminUrl, path)).status).toBe(409)
    leaving.destroy()
    const next = await until('the next one is taken', async () => {
      const response = await ask(each.adminUrl, `${path}?seconds=1`)
      return response.status === 200 && response
    })
    expect(Object.keys(JSON.parse(await next.text()))).toContain(path === '/debug/cpu' ? 'nodes' : 'head')
    expect(each.lines.filter(({ level }) => level === 'error')).toEqual([])
    expect(each.lines).toContainEqual(expect.objectContaining({ msg: 'request', route: path, status: 499 }))
  })

  it('lets V8 stop looking once who asked has left', async () => {
    const each = await started()
    const leaving = askRaw(each.adminUrl, '/debug/cpu?seconds=60')
    await until('V8 looks', () => threads().includes(profilerThread))
    leaving.destroy()
    await until('V8 has stopped', () => !threads().includes(profilerThread))
  })

  it('ends when who reads a snapshot leaves, and its file is gone', async () => {
    const { each, adminUrl } = await served()
    const leaving = askRaw(adminUrl, '/debug/heap-snapshot')
    await leaving.until(/\r\n\r\n/)
    leaving.socket.pause()
    expect((await ask(adminUrl, '/debug/cpu')).status).toBe(409)
    expect(openSnapshots(each)).toHaveLength(1)
    leaving.destroy()
    await until('the next one is taken', async () => (await ask(adminUrl, '/debug/heap?seconds=1')).status === 200)
    expect(openSnapshots(each)).toEqual([])
    expect(each.err).not.toContain('"level":"error"')
  })
})

const profilerThread = 'v8:ProfEvntProc'

/** Names of the threads of this process. */
function threads(): readonly string[] {
  const folder = '/proc/self/task'
  return readdirSync(folder).map((id) => readFileSync(join(folder, id, 'comm'), 'utf8').trim())
}

/** Files of snapshots the process still has open, whatever they are called in the file system by now. */
function openSnapshots(each: EdgeProcess): readonly string[] {
  const folder = `/proc/${each.child.pid}/fd`
  const links = readdirSync(folder).map((name) => readlinkSync(join(folder, name), 'utf8'))
  return links.filter((link) => /nats-edge-\w+\/heap\b/.test(link))
}

describe('the end of an edge', () => {
  it('does not wait for a profile on SIGTERM', async () => {
    // Were the profile waited for, this would take longer than the test has.
    const { each, adminUrl } = await served({}, ['shutdown.grace=250s'])
    const cut = askRaw(adminUrl, '/debug/cpu?seconds=60')
    await untilRunning(adminUrl)
    expect(await each.kill('SIGTERM').exited).toBe(0)
    await cut.untilClosed()
    expect(cut.received).toBe('')
    expect(each.err).not.toContain('"level":"error"')
  })

  it('ends a profile, so that nothing keeps the program around it', async () => {
    const script = `
      import { edge } from 'nats-edge'
      const address = '127.0.0.1:0'
      const listen = { public: { address }, admin: { address, token: '${token}', profiles: true } }
      const server = await edge({ config: { nats: { servers: '${broker.url}' }, listen, log: { level: 'error' } } })
      await server.ready()
      const ask = (path) => fetch(server.adminUrl + path, { headers: { authorization: 'Bearer ${token}' } })
      const profile = ask('/debug/heap?seconds=60').then(({ status }) => status, () => 'cut off')
      while (!(await (await ask('/metrics')).text()).includes('inflight{listener="admin"} 2'));
      await server.close()
      console.log(await profile)`
    const cwd = fileURLToPath(new URL('..', import.meta.url))
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd, timeout: 50_000 })
    expect(await run).toMatchObject({ stdout: 'cut off\n', stderr: '' })
  })
})

/** What forbids a process the inspector, in the words of this Node. */
function withoutInspector(): string {
  const known = process.allowedNodeEnvironmentFlags
  const flag = known.has('--permission') ? '--permission' : '--experimental-permission'
  const allowed = ['--allow-fs-read=*', '--allow-fs-write=*', ...(known.has('--allow-net') ? ['--allow-net'] : [])]
  return [flag, ...allowed].join(' ')
}

describe('a profile that V8 does not give', () => {
  const logged = /"level":"error".*"route":"[^"]+".*"msg":"could not take a profile"/g

  it('is a problem with its reason in the log, once, when there is no inspector to be had', async () => {
    const { each, adminUrl } = await served({ NODE_OPTIONS: withoutInspector() })
    const response = await ask(adminUrl, '/debug/cpu?seconds=1')
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({
      code: 'internal',
      detail: 'The profile could not be taken; the log says why.',
    })
    await each.printed(/Access to this API has been restricted.*could not take a profile/)
    expect(each.err.match(logged)).toHaveLength(1)
  })

  it('is one when the snapshot cannot be written, and the next one can be taken', async () => {
    const { each, adminUrl } = await served({ TMPDIR: '/absent' })
    const response = await ask(adminUrl, '/debug/heap-snapshot')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('/absent')
    await each.printed(/ENOENT.*could not take a profile/)
    expect(each.err.match(logged)).toHaveLength(1)
    expect((await ask(adminUrl, '/debug/cpu?seconds=1')).status).toBe(200)
  })
})
