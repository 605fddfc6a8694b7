// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { fakeMachine, temporaryFolder } from './fake-machine.test-support.ts'
import { startNatsServer } from './nats-server.ts'
import type { StartOptions } from './nats-server.ts'
import { readServerInfo } from './server-info.ts'
import type { NatsServer, RestartEvent } from './supervised-server.ts'
import { isRunning, waitUntil } from './wait-until.test-support.ts'
import { makeLedger, readLedger, WireClient } from './wire-client.test-support.ts'
import { steadyPort } from './steady-port.ts'

const running: NatsServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function start(options: StartOptions): Promise<NatsServer> {
  const server = await startNatsServer(options)
  running.push(server)
  return server
}

function answers(port: number): Promise<boolean> {
  return readServerInfo('127.0.0.1', port, AbortSignal.timeout(10_000)).then(
    () => true,
    () => false,
  )
}

describe.each(inject('natsServers'))('nats-server $version', (binary) => {
  it('answers with JetStream on a free loopback port', async () => {
    const server = await start({ binary })
    expect(server).toMatchObject({
      version: binary.version,
      url: `nats://127.0.0.1:${server.port}`,
      websocketUrl: undefined,
    })
    const client = await WireClient.connect(server.port)
    await makeLedger(client)
    for (let n = 0; n < 3; n++) await client.request('ledger', `${n}`)
    expect(await readLedger(client)).toEqual({ messages: 3, lastSequence: 3 })
    client.close()
  })

  it('leaves neither process, port nor temporary folder behind when it is stopped', async () => {
    const server = await start({ binary })
    const scratch = join(server.dataDir, '..')
    expect(existsSync(server.dataDir)).toBe(true)
    expect((await stat(scratch)).mode & 0o777).toBe(0o700)
    await Promise.all([server.stop(), server.stop()])
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
    expect(await answers(server.port)).toBe(false)
    expect(existsSync(scratch)).toBe(false)
    expect(await server.exited).toMatchObject({ signal: null })
    expect(server.kill()).toBe(false)
  })

  it('keeps the data of a folder it was given, and its port when it was given one', async () => {
    const dataDir = join(await temporaryFolder(), 'a', 'b')
    const first = await start({ binary, dataDir, port: await steadyPort() })
    const client = await WireClient.connect(first.port)
    await makeLedger(client)
    await client.request('ledger', 'x')
    client.close()
    await first.stop()
    const second = await start({ binary, dataDir, port: first.port })
    expect(second.port).toBe(first.port)
    const again = await WireClient.connect(second.port)
    expect(await readLedger(again)).toEqual({ messages: 1, lastSequence: 1 })
    again.close()
    await second.stop()
    expect(await readdir(dataDir)).toEqual(['jetstream'])
  })

  it('starts again by itself on the same port and data after an exit nobody asked for', async () => {
    const events: RestartEvent[] = []
    const server = await start({
      binary,
      port: await steadyPort(),
      websocket: { port: await steadyPort() },
      restart: true,
      onRestart: (event) => events.push(event),
    })
    const { port, pid, websocketUrl } = server
    const client = await WireClient.connect(port)
    await makeLedger(client)
    await client.request('ledger', 'x')
    expect(server.kill('SIGKILL')).toBe(true)
    await waitUntil('the broker is back', () => events.some(({ type }) => type === 'restarted'))
    expect(server.pid).not.toBe(pid)
    expect(events).toMatchObject([
      { type: 'exited', exit: { code: null, signal: 'SIGKILL' }, retryMs: 250 },
      { type: 'restarted', pid: server.pid },
    ])
    const again = await WireClient.connect(port)
    expect(await readLedger(again)).toEqual({ messages: 1, lastSequence: 1 })
    again.close()
    const upgrade = await fetch(`${websocketUrl?.replace('ws:', 'http:')}/`).then(({ status }) => status)
    expect(upgrade).toBeGreaterThanOrEqual(400)
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
  })

  it('says that it has ended when it is not to be started again', async () => {
    const server = await start({ binary })
    server.kill()
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(existsSync(server.dataDir)).toBe(false)
    await server.stop()
  })

  it('is stopped although it is frozen', async () => {
    const server = await start({ binary })
    server.kill('SIGSTOP')
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
  })

  it('takes more configuration in a file only its owner can read', async () => {
    const config = 'server_name: embedded\nauthorization { token: s3cret-token }'
    const server = await start({ binary, config, jetstream: false })
    const file = join(server.dataDir, '..', 'nats-server.conf')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(`/proc/${server.pid}/cmdline`, 'latin1').catch(() => '')).not.toContain('s3cret-token')
    const info = await infoLine(server.port)
    expect(info).toMatchObject({ server_name: 'embedded', auth_required: true })
    expect(info).not.toHaveProperty('jetstream')
  })

  it('stays on loopback whatever the configuration says', async () => {
    const server = await start({ binary, config: 'listen: "0.0.0.0:4229"\njetstream { max_file_store: 1MB }' })
    expect(server.port).not.toBe(4229)
    expect(await infoLine(server.port)).toMatchObject({ host: '127.0.0.1', port: server.port, jetstream: true })
    expect(existsSync(join(server.dataDir, 'jetstream'))).toBe(true)
  })

  it('refuses a second folder for JetStream in the configuration', async () => {
    const config = `jetstream { store_dir: "${await temporaryFolder()}" }`
    await expect(startNatsServer({ binary, config })).rejects.toThrow("Duplicate 'store_dir' configuration")
  })

  it('rejects with the last lines of the log when it exits before it is ready', async () => {
    const lines: string[] = []
    const failed = startNatsServer({ binary, config: 'no_such_option: 1', onLog: (line) => lines.push(line) })
    await expect(failed).rejects.toMatchObject({ name: 'NatsServerError', code: 'start_failed' })
    await expect(failed).rejects.toThrow(/exited with code 1 before it was ready\. Its last lines:\n.*no_such_option/s)
    expect(lines.join('\n')).toContain('no_such_option')
  })

  it('says which port is taken', async () => {
    const first = await start({ binary })
    const failed = startNatsServer({ binary, port: first.port })
    await expect(failed).rejects.toMatchObject({ code: 'start_failed' })
    await expect(failed).rejects.toThrow(`port ${first.port} is in use: choose another one, or 0 for any free one`)
    expect(await answers(first.port)).toBe(true)
  })

  it('refuses a data folder another broker uses', async () => {
    const dataDir = await temporaryFolder()
    const first = await start({ binary, dataDir })
    await expect(startNatsServer({ binary, dataDir })).rejects.toMatchObject({
      code: 'data_dir_in_use',
      message: `${dataDir} is in use by the nats-server with process id ${first.pid}: end it, or use another dataDir`,
    })
    expect(await answers(first.port)).toBe(true)
  })

  it('hands on what it logs, line by line', async () => {
    const lines: string[] = []
    const server = await start({ binary, onLog: (line) => lines.push(line) })
    await server.stop()
    expect(lines.some((line) => line.includes('[INF] Server is ready'))).toBe(true)
    expect(lines.every((line) => !line.includes('\n'))).toBe(true)
  })
})

async function infoLine(port: number): Promise<Record<string, unknown>> {
  let line = ''
  const socket = connect({ host: '127.0.0.1', port })
  for await (const chunk of socket.setEncoding('latin1')) {
    line += chunk
    if (line.includes('\r\n')) break
  }
  const info: Record<string, unknown> = JSON.parse(line.slice(5, line.indexOf('\r\n')))
  return info
}

describe('startNatsServer', () => {
  const [binary] = inject('natsServers')
  if (binary === undefined) throw new Error('there is no nats-server to test with')

  it('ends the broker when the scope of `await using` is left', async () => {
    let pid = 0
    {
      await using server = await startNatsServer({ binary })
      ;({ pid } = server)
      expect(isRunning(pid)).toBe(true)
    }
    expect(isRunning(pid)).toBe(false)
  })

  it('finds the server to run with the same options', async () => {
    const fake = await fakeMachine()
    await fake.script('bin/nats-server', `exec ${binary.path} "$@"`)
    const steps: string[] = []
    const env = { PATH: fake.bin, HOME: fake.root }
    const server = await start({
      env,
      version: binary.version,
      install: 'never',
      onProgress: ({ text }) => steps.push(text),
    })
    expect(server.version).toBe(binary.version)
    expect(steps.at(-1)).toBe(`${join(fake.bin, 'nats-server')} is nats-server ${binary.version}`)
  })

  it('ends a server that ignores SIGTERM, and what a wrapper script started', async () => {
    const fake = await fakeMachine()
    const pidFile = join(fake.root, 'pid')
    const wrapper = `trap '' TERM; ${binary.path} "$@" & echo $! > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; while :; do wait; /bin/sleep 0.05; done`
    const path = await fake.script('wrapper', wrapper)
    const server = await start({ binary: { path, version: '0.0.0' }, stopTimeoutMs: 300 })
    // The server answers when it likes, its wrapper writes when it likes, and what is no child of this process dies unseen.
    const wrapped = async (): Promise<number> => {
      await waitUntil('the wrapper has written', () => existsSync(pidFile))
      const pid = Number(await readFile(pidFile, 'utf8'))
      await rm(pidFile)
      expect(isRunning(pid)).toBe(true)
      return pid
    }
    const stopped = await wrapped()
    await server.stop()
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
    await waitUntil('the wrapped server is gone', () => !isRunning(stopped))
    const crashing = await start({ binary: { path, version: '0.0.0' } })
    const crashed = await wrapped()
    crashing.kill('SIGKILL')
    await crashing.exited
    await waitUntil('the wrapped server is gone', () => !isRunning(crashed))
  })

  it('gives up on a broker that never answers', async () => {
    const fake = await fakeMachine()
    const silent = await fake.script('silent', `echo started; echo $$ > ${fake.root}/pid; exec /bin/sleep 60`)
    // Time enough for a shell to say a word.
    const failed = startNatsServer({ binary: { path: silent, version: '0.0.0' }, startTimeoutMs: 3000 })
    await expect(failed).rejects.toMatchObject({ code: 'start_timeout', log: ['started'] })
    await expect(failed).rejects.toThrow('within 3000 ms; give it longer with startTimeoutMs')
    expect(isRunning(Number(await readFile(join(fake.root, 'pid'), 'utf8')))).toBe(false)
  })

  it('rejects with the reason of its signal and leaves no process behind', async () => {
    const fake = await fakeMachine()
    const silent = await fake.script('silent', `echo $$ > ${fake.root}/pid; exec /bin/sleep 60`)
    const abort = new AbortController()
    const reason = new Error('not now')
    const aborted = waitUntil('the process runs', () => existsSync(join(fake.root, 'pid'))).then(() =>
      abort.abort(reason),
    )
    await expect(startNatsServer({ binary: { path: silent, version: '0.0.0' }, signal: abort.signal })).rejects.toBe(
      reason,
    )
    await aborted
    await waitUntil(
      'the process is gone',
      async () => !isRunning(Number(await readFile(join(fake.root, 'pid'), 'utf8'))),
    )
  })

  it('says that a binary cannot be run', async () => {
    const path = join(await temporaryFolder(), 'none')
    await expect(startNatsServer({ binary: { path, version: '0.0.0' } })).rejects.toMatchObject({
      code: 'start_failed',
    })
  })

  it('says that a data folder cannot be made', async () => {
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    const failed = startNatsServer({ binary, dataDir: join(file, 'data') })
    await expect(failed).rejects.toMatchObject({ name: 'NatsServerError', code: 'start_failed' })
    await expect(failed).rejects.toThrow(/^nats-server could not be started: ENOTDIR/)
  })

  it.each([
    [{ port: 65_536 }, 'port must be a port number from 0 to 65535, not 65536'],
    [{ port: 1.5 }, 'port must be a port number from 0 to 65535, not 1.5'],
    [{ websocket: { port: -1 } }, 'websocket.port must be a port number from 0 to 65535, not -1'],
    [{ startTimeoutMs: 0 }, 'startTimeoutMs must be a whole number of milliseconds above 0, not 0'],
    [{ stopTimeoutMs: Number.NaN }, 'stopTimeoutMs must be a whole number of milliseconds above 0, not NaN'],
  ])('refuses %j', async (options, message) => {
    await expect(startNatsServer({ binary, ...options })).rejects.toThrow(new RangeError(message))
  })
})

describe('restart', () => {
  const [binary] = inject('natsServers')
  if (binary === undefined) throw new Error('there is no nats-server to test with')

  it('waits longer after each start that fails, and starts when the cause is gone', async () => {
    const fake = await fakeMachine()
    const broken = [join(fake.root, 'broken-1'), join(fake.root, 'broken-2')]
    const path = await fake.script(
      'server',
      `for broken in ${broken.join(' ')}; do [ -e $broken ] && rm $broken && exit 7; done; exec ${binary.path} "$@"`,
    )
    const events: RestartEvent[] = []
    const onRestart = (event: RestartEvent): void => void events.push(event)
    const port = await steadyPort()
    const server = await start({ binary: { path, version: '0.0.0' }, port, restart: true, onRestart })
    for (const file of broken) await writeFile(file, '')
    server.kill()
    await waitUntil('the broker is back', () => events.at(-1)?.type === 'restarted')
    expect(events.map((event) => ('retryMs' in event ? event.retryMs : event.type))).toEqual([
      250,
      500,
      1000,
      'restarted',
    ])
    expect(await answers(server.port)).toBe(true)
  })

  it('ends at once when it is stopped while it waits', async () => {
    const events: RestartEvent[] = []
    // Told of the exit, it begins to wait.
    const onRestart = (event: RestartEvent): void => {
      events.push(event)
      void server.stop()
    }
    const server = await start({ binary, restart: true, onRestart })
    server.kill()
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(events.map(({ type }) => type)).toEqual(['exited'])
    expect(await answers(server.port)).toBe(false)
  })
})
