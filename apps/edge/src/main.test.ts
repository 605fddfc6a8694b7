// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { EdgeProcess, isRunning, mainFile } from './edge-process.test-support.ts'
import type { RunOptions } from './edge-process.test-support.ts'
import { metricOf, RawClient, refusesConnections, scratchFolder, startBroker, until } from './edge.test-support.ts'

let broker: NatsServer
const running: EdgeProcess[] = []

beforeAll(async () => {
  broker = await startBroker()
})

afterAll(async () => {
  await broker.stop()
})

afterEach(async () => {
  for (const each of running.splice(0)) await each.dispose()
})

function run(args: readonly string[], options?: RunOptions): EdgeProcess {
  const each = new EdgeProcess(args, options)
  running.push(each)
  return each
}

const anyPorts = ['--set', 'listen.public.address=127.0.0.1:0', '--set', 'listen.admin.address=127.0.0.1:0']

function serve(args: readonly string[] = [], options?: RunOptions): EdgeProcess {
  return run(['serve', '--set', `nats.servers=${broker.url}`, ...anyPorts, ...args], options)
}

interface Addresses {
  readonly url: string
  readonly adminUrl: string
}

async function listening(each: EdgeProcess): Promise<Addresses> {
  await each.printed(/"msg":"ready"/)
  const [, url = '', adminUrl = ''] = await each.printed(/"public":"(http:[^"]+)","admin":"(http:[^"]+)"/)
  return { url, adminUrl }
}

async function metrics(adminUrl: string): Promise<string> {
  return (await fetch(`${adminUrl}/metrics`)).text()
}

describe.each(inject('natsServers'))('dev --demo on nats-server $version', (server) => {
  it('prints its steps, addresses and commands that work as printed, and ends cleanly on SIGTERM', async () => {
    const each = run(['dev', '--demo', '--port', '0', '--set', 'listen.admin.address=127.0.0.1:0'], { server })
    await each.printed(/Ctrl-C stops everything/)
    expect(each.out).toMatch(/^nats-edge \d+\.\d+\.\d+\S* on Node v\d+/)
    expect(each.out).toContain(`broker   ${server.path} is nats-server ${server.version}`)
    expect(each.out).toMatch(/\nbroker {3}nats-server \S+ listens on nats:\/\/127\.0\.0\.1:\d+ \(pid \d+\), data in /)
    expect(each.out).toMatch(
      /\nedge {5}listens on http:\/\/(127\.0\.0\.1:\d+)\nwire {5}NATS clients connect to nats:\/\/127\.0\.0\.1:\d+ and ws:\/\/\1\/nats\nadmin {4}listens on http:\/\/127\.0\.0\.1:\d+\n/,
    )
    const lines = each.out.split('\n').filter((line) => line.startsWith('  curl '))
    expect(lines).toHaveLength(6)
    const answers = new Map<string, string>()
    for (const line of lines) answers.set(line.trim(), await runLine(line.trim()))
    const answerTo = (part: string): string => [...answers].find(([line]) => line.includes(part))?.[1] ?? ''
    expect(JSON.parse(answerTo('/demo/hello/ada'))).toMatchObject({ hello: 'ada' })
    expect(JSON.parse(answerTo('/demo/time'))).toEqual({ time: expect.stringMatching(/^\d{4}-/) })
    expect(JSON.parse(answerTo('/demo/echo'))).toEqual({ answer: 42 })
    expect(JSON.parse(answerTo('/readyz'))).toMatchObject({ status: 'ok' })
    expect(answerTo('/metrics')).toContain('nats_edge_http_requests_total{surface="rest"')
    const pid = brokerPid(each)
    expect(await isRunning(pid)).toBe(true)
    expect(await each.kill('SIGTERM').exited).toBe(0)
    expect(await isRunning(pid)).toBe(false)
  })

  it('leaves no broker behind when it is killed (reliability F20)', async () => {
    const each = run(['dev', '--port', '0', '--set', 'listen.admin.address=127.0.0.1:0'], { server })
    await each.printed(/Ctrl-C stops everything/)
    const pid = brokerPid(each)
    each.kill('SIGKILL')
    await until('the broker is gone', async () => !(await isRunning(pid)))
    expect(await isRunning(pid)).toBe(false)
  })
})

describe('dev', () => {
  it('moves its admin listener when the port is taken, and says so', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as AddressInfo
    const each = run(['dev', '--port', '0', '--nats', broker.url, '--set', `listen.admin.address=127.0.0.1:${port}`])
    const [, url] = await each.printed(new RegExp(`admin {4}listens on (\\S+) \\(127\\.0\\.0\\.1:${port} is taken\\)`))
    await each.printed(/Ctrl-C stops everything/)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(each.out).not.toContain('broker   ')
    taken.close()
  })

  it('fails when the port for NATS clients is taken, and names it', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as AddressInfo
    const flags = ['--port', '0', '--wire-port', String(port), '--set', 'listen.admin.address=127.0.0.1:0']
    const each = run(['dev', ...flags, '--nats', broker.url])
    expect(await each.exited).toBe(1)
    expect(each.err).toContain(
      `cannot listen on 127.0.0.1:${port}: the port is taken by another program (listen.wire.address)`,
    )
    taken.close()
    const wrong = run(['dev', '--wire-port', '70000'])
    expect(await wrong.exited).toBe(2)
    expect(wrong.err).toContain('--wire-port must be a port from 0 to 65535, not "70000"')
  })

  it('says that it waits for a broker that is not there', async () => {
    const each = run([
      'dev',
      '--port',
      '0',
      '--nats',
      'nats://u:canary@127.0.0.1:1',
      '--set',
      'listen.admin.address=127.0.0.1:0',
    ])
    await each.printed(/cannot connect to NATS yet; trying on servers=\["nats:\/\/127\.0\.0\.1:1"\]/)
    expect(each.out).not.toContain('curl')
    expect(await each.kill('SIGINT').exited).toBe(0)
    expect(each.out + each.err).not.toContain('canary')
  })

  it('fails with every step and what to do when no broker can be had', async () => {
    const each = run(['dev', '--port', '0', '--set', 'listen.admin.address=127.0.0.1:0'], {
      server: { path: '/absent' },
    })
    expect(await each.exited).toBe(1)
    expect(each.err).toMatch(/NATS_SERVER_BIN: \/absent/)
  })

  it('stops when npm, which started it, is killed', async () => {
    const folder = scratchFolder()
    const script = `${process.execPath} ${mainFile} dev --port 0 --nats ${broker.url} --set listen.admin.address=127.0.0.1:0; exit $?`
    // As npm does it: a shell of its own between itself and the script.
    const source = `require('node:child_process').spawn('sh', ['-c', ${JSON.stringify(script)}], { stdio: 'inherit' })`
    const npm = spawn(process.execPath, ['-e', source], {
      cwd: folder,
      env: { ...process.env, npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let out = ''
    npm.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    await until('it runs', () => out.includes('Ctrl-C'))
    const url = /edge {5}listens on (\S+)/.exec(out)?.[1] ?? ''
    expect((await fetch(url)).status).toBe(200)
    npm.kill('SIGKILL')
    await until('it is gone', () => refusesConnections(url))
    expect(await refusesConnections(url)).toBe(true)
  })
})

describe('serve', () => {
  it('ends with 2 where NATS clients beyond loopback would need no login', async () => {
    const each = serve(['--set', 'listen.wire.address=0.0.0.0:0'])
    expect(await each.exited).toBe(2)
    expect(each.err).toMatch(/"listen\.wire\.address\\" is 0\.0\.0\.0:0, where everybody could use NATS/)
  })

  it('runs what a file describes, and ends with 0 on SIGTERM', async () => {
    const folder = scratchFolder()
    const file = join(folder, 'nats-edge.yaml')
    writeFileSync(file, `nats: { servers: "\${BROKER}" }\nrest: { defaultRoute: false }\n`)
    const each = run(['serve', '-c', file, ...anyPorts], { env: { BROKER: broker.url, NATS_EDGE_INDEX: 'false' } })
    const { url } = await listening(each)
    expect((await fetch(`${url}/`)).status).toBe(404)
    expect((await fetch(`${url}/a`)).status).toBe(404)
    expect(await each.kill('SIGTERM').exited).toBe(0)
    const lines = each.err
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    expect(lines.at(-1)).toMatchObject({ level: 'info', msg: 'stopped', code: 0 })
  })

  it('shows no secret in log, state, metrics, errors or command line (reliability T22)', async () => {
    const guarded = await startBroker(0, 'authorization { token: canary-token }')
    const folder = scratchFolder()
    const file = join(folder, 'nats-edge.yaml')
    const token = join(folder, 'admin-token')
    const lines = [
      `nats: { servers: "${guarded.url}", credentials: { token: { env: BROKER_TOKEN } } }`,
      `listen: { admin: { token: { file: ${token} } } }`,
    ]
    writeFileSync(file, lines.join('\n'))
    writeFileSync(token, 'canary-admin\n')
    const each = run(['serve', '-c', file, ...anyPorts, '--set', 'log.level=trace'], {
      env: { BROKER_TOKEN: 'canary-token' },
    })
    const { url, adminUrl } = await listening(each)
    const headers = { authorization: 'Bearer canary-admin', cookie: 'canary=1' }
    const shown = [await (await fetch(`${url}/a`, { headers })).text()]
    shown.push(await (await fetch(`${adminUrl}/metrics`, { headers })).text())
    shown.push(await (await fetch(`${adminUrl}/metrics`, { headers: { authorization: 'Bearer canary' } })).text())
    shown.push((await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(each.child.pid)])).stdout)
    each.kill('SIGUSR1')
    await each.printed(/"state":/)
    await guarded.stop()
    await each.printed(/lost the connection to NATS/)
    expect(shown[1]).toContain('nats_edge_nats_connected')
    expect(shown[2]).toContain('unauthorized')
    expect(await each.kill('SIGTERM').exited).toBe(0)
    expect([...shown, each.out, each.err].join('\n')).not.toContain('canary')
  })

  it('answers a kept-alive client during the drain', async () => {
    const each = serve()
    const { url } = await listening(each)
    const client = new RawClient(url)
    await client.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n').until(/\}\n$/)
    each.kill('SIGTERM')
    await each.printed(/"msg":"draining"/)
    client.received = ''
    const answer = await client.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n').until(/\}\n$/)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer).toContain('\r\nConnection: close\r\n')
    expect(await each.exited).toBe(0)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('does not wait for the end of the drain on a second %s, with %i', async (signal, code) => {
    const each = serve(['--set', 'shutdown.delay=200s', '--set', 'shutdown.grace=250s'])
    await listening(each)
    each.kill('SIGTERM')
    await each.printed(/"msg":"draining"/)
    const begun = performance.now()
    expect(await each.kill(signal).exited).toBe(code)
    expect(performance.now() - begun).toBeLessThan(10_000)
  })

  it.each([
    ['throws', 'throw new Error("boom")'],
    ['rejects', 'Promise.reject(new Error("boom"))'],
  ])('logs what nobody catches when code %s, drains and ends with 70 (reliability F18)', async (_, code) => {
    const trap = `process.once('SIGURG', () => { ${code} })`
    const each = serve([], { env: { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(trap)}"` } })
    await listening(each)
    each.kill('SIGURG')
    expect(await each.exited).toBe(70)
    expect(each.err).toMatch(/"level":"fatal".*"message":"boom".*"msg":"an exception nobody caught"/)
    expect(each.err).toContain('"msg":"stopped"')
  })

  it('ends with 1 and a clear line when the port is taken', async () => {
    const first = serve()
    const { url } = await listening(first)
    const second = serve(['--set', `listen.public.address=${new URL(url).host}`])
    expect(await second.exited).toBe(1)
    expect(second.err).toContain(
      `nats-edge: cannot listen on ${new URL(url).host}: the port is taken by another program`,
    )
    expect((await fetch(`${url}/`)).status).toBe(200)
  })

  it('ends with 3 when NATS cannot be reached and was not to be waited for', async () => {
    const each = serve(['--set', 'nats.servers=nats://127.0.0.1:1', '--set', 'nats.waitOnStart=false'])
    expect(await each.exited).toBe(3)
    expect(each.err).toContain('cannot connect to NATS at nats://127.0.0.1:1')
  })

  it('ends with 1 when the connection is lost and that was to end it', async () => {
    const short = await startBroker()
    const each = serve(['--set', `nats.servers=${short.url}`, '--set', 'nats.exitOnNatsLoss=true'])
    await listening(each)
    await short.stop()
    expect(await each.exited).toBe(1)
  })

  it('dumps its state on SIGUSR1, toggles debug on SIGUSR2, and never opens the inspector', async () => {
    const each = serve()
    await listening(each)
    each.kill('SIGUSR1')
    await each.printed(/"state":\{"uptimeSeconds":\d+.*"listeners":\[/)
    each.kill('SIGUSR2')
    await each.printed(/"level":"debug","msg":"log level changed"/)
    expect(each.err).not.toContain('Debugger listening')
    expect(await each.kill('SIGHUP').exited).toBe(0)
  })

  it('warns about --insecure, and about a Node without security fixes', async () => {
    const each = run(['serve', '--insecure', '--set', `nats.servers=${broker.url}`, ...anyPorts])
    await listening(each)
    expect(each.err).toContain('--insecure: nobody has to log in')
    expect(each.err.includes('gets no security fixes')).toBe(Number(process.versions.node.split('.')[0]) < 22)
  })
})

async function dropped(adminUrl: string): Promise<number> {
  return metricOf(await metrics(adminUrl), 'nats_edge_log_lines_dropped_total') ?? 0
}

async function addresses(each: EdgeProcess, port: number): Promise<Addresses> {
  const found = { url: `http://127.0.0.1:${port}`, adminUrl: `http://127.0.0.1:${port + 1}` }
  await until(
    'it is ready',
    async () => !each.hasExited && (await fetch(`${found.adminUrl}/readyz`)).status === 200,
    30_000,
  )
  return found
}

async function serveOnPorts(options: RunOptions): Promise<{ each: EdgeProcess; adminUrl: string; url: string }> {
  const port = await freePorts()
  const set = [
    '--set',
    `listen.public.address=127.0.0.1:${port}`,
    '--set',
    `listen.admin.address=127.0.0.1:${port + 1}`,
  ]
  const each = serve([...set, '--set', 'log.level=debug'], options)
  return { each, ...(await addresses(each, port)) }
}

describe('a log nobody takes (reliability F19)', () => {
  const header = { 'X-Long': 'x'.repeat(12_000) }

  it('because its pipe is closed is dropped and counted, and the edge goes on', async () => {
    const { each, url, adminUrl } = await serveOnPorts({})
    each.child.stderr?.destroy()
    await until('lines are dropped', async () => {
      expect((await fetch(`${url}/`)).status).toBe(200)
      return (await dropped(adminUrl)) > 0
    })
    expect(await each.kill('SIGTERM').exited).toBe(0)
  })

  it('because its pipe is full is dropped and counted, blocks nothing, and does not hold up the end', async () => {
    const { each, url, adminUrl } = await serveOnPorts({ deaf: true })
    await until('lines are dropped', async () => {
      await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/`, { headers: header })))
      return (await dropped(adminUrl)) > 0
    })
    const begun = performance.now()
    expect((await fetch(`${url}/`)).status).toBe(200)
    expect(performance.now() - begun).toBeLessThan(inject('promptMs'))
    each.kill('SIGTERM')
    await until('it has ended', () => each.hasExited)
    expect(await each.exited).toBe(0)
  })
})

describe('the program', () => {
  it('ends with 2 for a wrong command line, and reports on standard error', async () => {
    const each = run(['serve', '--insecrue'])
    expect([await each.exited, each.out]).toEqual([2, ''])
    expect(each.err).toContain('did you mean --insecure?')
  })

  it('goes on with unknown keys when lenient, and says so', async () => {
    const each = serve(['--lenient', '--set', 'nats.pign=1'])
    await listening(each)
    expect(each.err).toContain('\\"pign\\" is not a key of \\"nats\\"')
  })

  it('prints whole results although it ends at once', async () => {
    const each = run(['config', 'schema'])
    expect(await each.exited).toBe(0)
    expect(JSON.parse(each.out)).toHaveProperty('$schema')
  })
})

/** Runs a printed line in a shell; without curl, does what the line says. */
async function runLine(line: string): Promise<string> {
  const shell = await promisify(execFile)('sh', ['-c', 'command -v curl']).catch(() => undefined)
  if (shell !== undefined) return (await promisify(execFile)('sh', ['-c', `${line} -sS --max-time 5`])).stdout
  const words = Array.from(line.matchAll(/'([^']*)'|(\S+)/g), (match) => match[1] ?? match[2] ?? '')
  const valueAfter = (flag: string): string | undefined => words[words.indexOf(flag) + 1 || -1]
  const [name = '', value = ''] = (valueAfter('-H') ?? '').split(': ')
  const body = valueAfter('-d')
  const init = body === undefined ? {} : { method: 'POST', body, headers: { [name]: value } }
  return (await fetch(words.at(-1) ?? '', init)).text()
}

function brokerPid(each: EdgeProcess): number {
  return Number(/\(pid (\d+)\)/.exec(each.out)?.[1])
}

/** Two neighbouring ports that stay free. */
async function freePorts(): Promise<number> {
  for (;;) {
    const port = await steadyPort()
    if ((await steadyPort()) === port + 1) return port
  }
}
