// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fakeMachine } from './fake-machine.test-support.ts'
import { findNatsServer } from './find-nats-server.ts'
import { natsServerFloor } from './release-pins.ts'

describe('NATS_SERVER_BIN', () => {
  it('decides over everything else', async () => {
    const fake = await fakeMachine()
    await fake.server('bin/nats-server', '2.15.2')
    const path = await fake.server('mine/server', '2.12.1')
    fake.env['NATS_SERVER_BIN'] = path
    expect(await fake.find()).toEqual({ path, version: '2.12.1', source: 'env' })
    expect(fake.told).toEqual([`env found: ${path} is nats-server 2.12.1`])
  })

  it.each([
    ['does not exist', 'missing', undefined, 'is not an executable file'],
    ['is another program', 'other', 'echo hello', 'does not answer "-v" like a nats-server: hello'],
    [
      'fails',
      'broken',
      'echo "nats-server: v2.15.2"; exit 3',
      'does not answer "-v" like a nats-server: nats-server: v2.15.2',
    ],
    ['is of another version', 'old', "echo 'nats-server: v2.8.4'", 'is 2.8.4, not within >=2.9.10'],
  ])('is an error and no reason to look elsewhere when it %s', async (_case, name, body, fault) => {
    const fake = await fakeMachine()
    await fake.server('bin/nats-server', '2.15.2')
    if (body !== undefined) await fake.script(name, body)
    const path = join(fake.root, name)
    fake.env['NATS_SERVER_BIN'] = path
    await expect(fake.find()).rejects.toMatchObject({
      name: 'NatsServerError',
      code: 'bad_binary',
      message: `NATS_SERVER_BIN: ${path} ${fault}; correct the path or unset it`,
    })
    expect(fake.told).toEqual([`env failed: NATS_SERVER_BIN: ${path} ${fault}`])
  })

  it('is used although it is not preferred, with a warning', async () => {
    const fake = await fakeMachine()
    fake.env['NATS_SERVER_BIN'] = await fake.server('mine', '2.9.10')
    expect(await fake.find({ preferred: '>=2.14.3' })).toMatchObject({ version: '2.9.10', source: 'env' })
    expect(fake.told[0]).toContain('warning: 2.9.10 is not within the preferred >=2.14.3')
  })
})

describe('PATH', () => {
  it('is searched first, then the usual folders', async () => {
    const fake = await fakeMachine()
    const inSbin = await fake.server('sbin/nats-server', '2.12.0')
    expect(await fake.find()).toEqual({ path: inSbin, version: '2.12.0', source: 'path' })
    const onPath = await fake.server('bin/nats-server', '2.11.0')
    expect(await fake.find()).toEqual({ path: onPath, version: '2.11.0', source: 'path' })
  })

  it('passes over what is out of range, not executable or no nats-server, and says so', async () => {
    const fake = await fakeMachine()
    fake.env['PATH'] = ['a', 'b', 'c', 'd'].map((name) => join(fake.root, name)).join(':')
    const old = await fake.server('a/nats-server', '2.9.10')
    await mkdir(join(fake.root, 'b', 'nats-server'), { recursive: true })
    const other = await fake.script('c/nats-server', 'echo "not this one" >&2')
    const good = await fake.server('d/nats-server', '2.14.3')
    expect(await fake.find({ version: '>=2.14.3' })).toMatchObject({ path: good })
    expect(fake.told).toEqual([
      'env passed: NATS_SERVER_BIN is not set',
      `path passed: ${old} is 2.9.10, not within >=2.14.3`,
      `path passed: ${other} does not answer "-v" like a nats-server: not this one`,
      `path found: ${good} is nats-server 2.14.3`,
    ])
  })

  it('gives up on a file that never answers', async () => {
    const fake = await fakeMachine()
    fake.limits = { probeMs: 200 }
    await fake.script('bin/nats-server', 'exec /bin/sleep 60')
    await expect(fake.find({ install: 'never' })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('leaves out relative folders', async () => {
    const fake = await fakeMachine()
    fake.env['PATH'] = `.:bin::${fake.bin}`
    const path = await fake.server('bin/nats-server', '2.15.2')
    expect(await fake.find()).toMatchObject({ path })
  })

  it('is searched by the public function too', async () => {
    const fake = await fakeMachine()
    const path = await fake.server('bin/nats-server', '99.1.0')
    const env = { PATH: fake.bin, HOME: fake.root }
    expect(await findNatsServer({ env, version: '99', install: 'never' })).toEqual({
      path,
      version: '99.1.0',
      source: 'path',
    })
  })
})

describe('the cache', () => {
  it('gives the newest version in range', async () => {
    const fake = await fakeMachine()
    for (const version of ['2.9.10', '2.10.22', '2.15.2'])
      await fake.server(`cache/nats-server/${version}/nats-server`, version)
    const path = join(fake.cacheDir, 'nats-server', '2.10.22', 'nats-server')
    expect(await fake.find({ version: '<2.15' })).toEqual({ path, version: '2.10.22', source: 'cache' })
  })

  it('is where NATS_EDGE_CACHE_DIR says', async () => {
    const fake = await fakeMachine()
    const path = await fake.server('else/nats-server/99.1.0/nats-server', '99.1.0')
    fake.env['NATS_EDGE_CACHE_DIR'] = join(fake.root, 'else')
    const { env } = fake.machine
    expect(await findNatsServer({ env, version: '99.1.0', install: 'never' })).toMatchObject({ path, source: 'cache' })
  })

  it('passes over files that do not answer', async () => {
    const fake = await fakeMachine()
    await mkdir(join(fake.cacheDir, 'nats-server', '2.15.2'), { recursive: true })
    await writeFile(join(fake.cacheDir, 'nats-server', '2.15.2', 'nats-server'), 'half a file')
    await expect(fake.find({ install: 'never' })).rejects.toMatchObject({ code: 'not_found' })
    expect(fake.told).toContainEqual(
      expect.stringMatching(/^cache passed: .*2\.15\.2\/nats-server is not an executable file$/),
    )
  })
})

describe('a preferred range', () => {
  it('takes a preferred server of the cache before a usable one on PATH', async () => {
    const fake = await fakeMachine()
    await fake.server('bin/nats-server', '2.9.10')
    const path = await fake.server('cache/nats-server/2.15.2/nats-server', '2.15.2')
    expect(await fake.find({ preferred: natsServerFloor })).toEqual({ path, version: '2.15.2', source: 'cache' })
  })

  it('takes PATH at once when it is preferred', async () => {
    const fake = await fakeMachine()
    await fake.server('cache/nats-server/2.15.2/nats-server', '2.15.2')
    const path = await fake.server('bin/nats-server', '2.12.12')
    expect(await fake.find({ preferred: natsServerFloor })).toMatchObject({ path, source: 'path' })
  })

  it('falls back to PATH with a warning when nothing preferred can be had', async () => {
    const fake = await fakeMachine()
    const path = await fake.server('bin/nats-server', '2.9.10')
    expect(await fake.find({ preferred: natsServerFloor })).toEqual({ path, version: '2.9.10', source: 'path' })
    expect(fake.told.at(-1)).toBe(
      `path found: ${path} is nats-server 2.9.10; warning: 2.9.10 is not within the preferred ${natsServerFloor}`,
    )
  })

  it.each([
    ['2.9.10', false],
    ['2.12.11', false],
    ['2.12.12', true],
    ['2.13.0', false],
    ['2.14.2', false],
    ['2.14.3', true],
    ['2.15.2', true],
  ])('as the floor of this package says of %s: %s', async (version, preferred) => {
    const fake = await fakeMachine()
    await fake.server('bin/nats-server', version)
    await fake.find({ preferred: natsServerFloor, install: 'never' })
    expect(fake.told.at(-1)?.includes('warning')).toBe(!preferred)
  })
})

describe('a search that finds nothing', () => {
  it('lists what every step came to and what a person can do', async () => {
    const fake = await fakeMachine()
    const failed = fake.find({ version: '>=2.14.3' })
    await expect(failed).rejects.toMatchObject({ name: 'NatsServerNotFound', code: 'not_found' })
    await expect(failed).rejects.toThrow(
      [
        'no nats-server within ">=2.14.3" was found or could be installed:',
        '  env      NATS_SERVER_BIN is not set',
        '  path     no nats-server on PATH or in the usual folders',
        `  cache    ${fake.cacheDir} holds no nats-server`,
        '  release  there is no pinned checksum of the release archive for linux-amd64',
        '  go       there is no Go toolchain on this machine',
        '  system   there is no apt-get on this machine; install the nats-server package of your distribution by hand (on Alpine: apk add nats-server)',
        'What you can do:',
        '  - set NATS_SERVER_BIN to the path of a nats-server you have',
      ].join('\n'),
    )
    await expect(failed).rejects.toMatchObject({ steps: fake.steps.filter(({ outcome }) => outcome !== 'started') })
  })

  it('tries no install when it was told never to', async () => {
    const fake = await fakeMachine()
    await fake.script('bin/go', `echo ran > ${fake.root}/ran`)
    await expect(fake.find({ install: 'never' })).rejects.toMatchObject({ code: 'not_found' })
    expect(fake.told.at(-1)).toBe('release passed: nothing is installed: the search was told never to')
    expect(existsSync(join(fake.root, 'ran'))).toBe(false)
  })

  it('rejects with the reason of its signal', async () => {
    const fake = await fakeMachine()
    const reason = new Error('not now')
    await expect(fake.find({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await fake.script('bin/nats-server', 'exec /bin/sleep 60')
    const abort = new AbortController()
    const waiting = fake.find({ signal: abort.signal, onProgress: () => setTimeout(() => abort.abort(reason), 50) })
    await expect(waiting).rejects.toBe(reason)
  })

  it('refuses a range it cannot read', async () => {
    const fake = await fakeMachine()
    await expect(fake.find({ version: 'latest' })).rejects.toThrow(TypeError)
  })
})
