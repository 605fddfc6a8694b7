// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { fakeMachine } from '../fake-machine.test-support.ts'
import type { FakeMachine } from '../fake-machine.test-support.ts'
import { isRunning, waitUntil } from '../wait-until.test-support.ts'

interface FakeGo {
  /** What `go version` answers. */
  readonly version?: string
  /** Which toolchain setting can build the current server. */
  readonly builds?: 'local' | 'auto' | 'neither'
  /** What `go install` does instead. */
  readonly install?: string
}

/** A machine whose `go` writes down how it was called and "builds" scripts. */
async function machineWithGo({ version = '1.26.1', builds = 'local', install }: FakeGo = {}): Promise<FakeMachine> {
  const fake = await fakeMachine()
  const building = `
    version=\${5##*@v}
    if [ $version = 2.15.2 ] && [ $GOTOOLCHAIN != ${builds} ]; then
      if [ $GOTOOLCHAIN = local ]; then
        echo "go: $5 requires go >= 1.26.0 (running go ${version}; GOTOOLCHAIN=local)" >&2
      else
        echo "go: download go1.26.0 for linux/amd64: toolchain not available" >&2
      fi
      exit 1
    fi
    echo "go: downloading github.com/nats-io/nats-server/v2 v$version" >&2
    echo internal/cpu
    { echo '#!/bin/sh'; echo "echo nats-server: v$version"; } > "$GOBIN/nats-server"
    chmod +x "$GOBIN/nats-server"`
  await fake.script(
    'bin/go',
    `PATH=/usr/bin:/bin
    echo "$GOTOOLCHAIN $*" >> ${fake.root}/calls
    echo "$GOOS/$GOARCH $CGO_ENABLED $GO111MODULE $GOWORK $PWD $GOBIN" >> ${fake.root}/environment
    if [ "$1" = version ]; then echo 'go version go${version} linux/amd64'; exit; fi
    ${install ?? building}`,
  )
  return fake
}

async function calls(fake: FakeMachine): Promise<string[]> {
  return (await readFile(join(fake.root, 'calls'), 'utf8')).trim().split('\n')
}

async function results(fake: FakeMachine): Promise<string[]> {
  expect((await readdir(join(fake.cacheDir, 'nats-server'))).filter((name) => name.startsWith('.'))).toEqual([])
  return fake.told.filter((line) => line.startsWith('go '))
}

const line = (version: string): string =>
  `install -v -trimpath -ldflags=-s -w github.com/nats-io/nats-server/v2@v${version}`

describe('go install', () => {
  it('builds the pinned version into the cache', async () => {
    const fake = await machineWithGo()
    fake.env = { GOOS: 'plan9', GOARCH: 'mips', GOBIN: '/nowhere' }
    const path = join(fake.cacheDir, 'nats-server', '2.15.2', 'nats-server')
    expect(await fake.find({ version: '>=2.14.3' })).toEqual({ path, version: '2.15.2', source: 'go' })
    expect(await calls(fake)).toEqual(['local version', `local ${line('2.15.2')}`])
    expect(await results(fake)).toEqual([
      `go started: GOTOOLCHAIN=local ${fake.bin}/go install github.com/nats-io/nats-server/v2@v2.15.2 (takes minutes)`,
      `go found: ${path} is nats-server 2.15.2`,
    ])
    const [, environment] = (await readFile(join(fake.root, 'environment'), 'utf8')).split('\n')
    expect(environment).toMatch(/^\/ 0 on off (\S+\/cache\/nats-server\/\.work-\S+) \1$/)
    expect(await fake.find({ version: '>=2.14.3' })).toMatchObject({ path, source: 'cache' })
  })

  it('lets a toolchain that is too old fetch a newer one', async () => {
    const fake = await machineWithGo({ version: '1.22.4', builds: 'auto' })
    expect(await fake.find()).toMatchObject({ version: '2.15.2', source: 'go' })
    expect(await calls(fake)).toEqual(['local version', `local ${line('2.15.2')}`, `auto ${line('2.15.2')}`])
    expect(fake.told).toContain(
      `go progress: ${fake.bin}/go is too old for nats-server 2.15.2: go: github.com/nats-io/nats-server/v2@v2.15.2 requires go >= 1.26.0 (running go 1.22.4; GOTOOLCHAIN=local)`,
    )
  })

  it('takes the older version when no newer toolchain can be fetched', async () => {
    const fake = await machineWithGo({ version: '1.22.4', builds: 'neither' })
    expect(await fake.find()).toMatchObject({ version: '2.10.22', source: 'go' })
    const last = (await calls(fake)).slice(1)
    expect(last).toEqual([`local ${line('2.15.2')}`, `auto ${line('2.15.2')}`, `local ${line('2.10.22')}`])
    expect(fake.told).toContain(
      'go failed: go install github.com/nats-io/nats-server/v2@v2.15.2: go: download go1.26.0 for linux/amd64: toolchain not available',
    )
  })

  it('takes the older version as the last resort only when it is not preferred', async () => {
    const fake = await machineWithGo({ version: '1.22.4', builds: 'neither' })
    expect(await fake.find({ preferred: '>=2.14.3' })).toMatchObject({ version: '2.10.22', source: 'go' })
    expect(fake.told).toContain(
      `go passed: ${fake.bin}/go is too old for 2.15.2 and could build 2.10.22, not within >=2.14.3`,
    )
    expect(fake.told.at(-1)).toContain('warning: 2.10.22 is not within the preferred >=2.14.3')
    const other = await machineWithGo({ version: '1.22.4', builds: 'neither' })
    const onPath = await other.server('sbin/nats-server', '2.9.10')
    expect(await other.find({ preferred: '>=2.14.3' })).toMatchObject({ path: onPath, source: 'path' })
  })

  it('builds the older version at once when only that is wanted', async () => {
    const fake = await machineWithGo()
    expect(await fake.find({ version: '~2.10.0' })).toMatchObject({ version: '2.10.22' })
    expect(await calls(fake)).toEqual(['local version', `local ${line('2.10.22')}`])
  })

  it('is not asked when neither version is wanted', async () => {
    const fake = await machineWithGo()
    await expect(fake.find({ version: '>=2.9.10 <2.10' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await results(fake)).toEqual(['go passed: go install can give 2.15.2 or 2.10.22, not within >=2.9.10 <2.10'])
    expect(existsSync(join(fake.root, 'calls'))).toBe(false)
  })

  it.each([
    [
      'is before 1.21',
      "echo 'go version go1.19.8 linux/amd64'",
      'is Go 1.19; 1.21 is the oldest that can build a nats-server',
    ],
    ['fails', 'echo broken >&2; exit 1', 'does not answer "version": broken'],
    ['is something else', 'echo pong', 'does not answer "version": pong'],
  ])('is passed over when the toolchain %s', async (_case, body, fault) => {
    const fake = await fakeMachine()
    await fake.script('bin/go', body)
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(await results(fake)).toEqual([`go passed: ${fake.bin}/go ${fault}`])
  })

  it.each(['go version devel go1.27-abc linux/amd64', 'go version go1.26rc1 linux/arm64'])(
    'knows the toolchain that says %j',
    async (answer) => {
      const fake = await fakeMachine()
      await fake.script('bin/go', `[ $1 = version ] && echo '${answer}' && exit; echo not today >&2; exit 1`)
      await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
      expect(await results(fake)).toContain(
        'go failed: go install github.com/nats-io/nats-server/v2@v2.15.2: not today',
      )
    },
  )

  it('tries nothing else after a failure that is not about the toolchain', async () => {
    const fake = await machineWithGo({ install: 'echo "dial tcp: lookup proxy.golang.org: no such host" >&2; exit 1' })
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(await calls(fake)).toHaveLength(2)
    expect((await results(fake)).at(-1)).toMatch(/^go failed: .*: dial tcp: lookup proxy\.golang\.org: no such host$/)
  })

  it('gives up on a toolchain that says nothing', async () => {
    const fake = await machineWithGo({ install: 'exec sleep 60' })
    fake.limits = { goSilentMs: 200 }
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect((await results(fake)).at(-1)).toMatch(/: nothing came for 0\.2 s: the Go module proxy cannot be reached$/)
  })

  it('gives up on a build that takes too long, and reports how it goes until then', async () => {
    const fake = await machineWithGo({ install: 'echo go: downloading x; echo a/b; echo c/d; exec sleep 60' })
    fake.limits = { goMs: 3_600_000, goSilentMs: 3_500_000, progressMs: 100 }
    // Its limits are hours by a clock that goes on in tenths of a second.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const failed = fake.find().catch((error: unknown) => error)
    await waitUntil('two packages are reported', () => {
      vi.advanceTimersByTime(100)
      return fake.told.some((line) => /^go progress: building nats-server 2\.15\.2: 2 packages, \d+ s$/.test(line))
    })
    vi.advanceTimersByTime(3_600_000)
    expect(await failed).toMatchObject({ code: 'not_found' })
    expect((await results(fake)).at(-1)).toMatch(/: not done after 3600 s$/)
  })

  it('keeps nothing that does not answer', async () => {
    const fake = await machineWithGo({ install: 'echo a; echo x > "$GOBIN/nats-server"' })
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect((await results(fake)).at(-1)).toMatch(
      /^go failed: .*: the installed file does not answer "-v" like a nats-server/,
    )
    expect(await readdir(join(fake.cacheDir, 'nats-server'))).toEqual([])
  })

  it('reports when nothing was built', async () => {
    const fake = await machineWithGo({ install: 'echo a' })
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect((await results(fake)).at(-1)).toMatch(/^go failed: .*ENOENT/)
  })

  it('ends with the signal of the search, compilers included', async () => {
    const fake = await machineWithGo({ install: 'echo a; sleep 60 & echo $! > "$HOME/compiler"; wait' })
    const abort = new AbortController()
    const reason = new Error('enough')
    const compiler = join(fake.root, 'compiler')
    const started = waitUntil('it compiles', () => existsSync(compiler)).then(() => abort.abort(reason))
    await expect(fake.find({ signal: abort.signal })).rejects.toBe(reason)
    await started
    const pid = Number(await readFile(compiler, 'utf8'))
    await waitUntil('the compiler is gone', () => !isRunning(pid))
    expect(await readdir(join(fake.cacheDir, 'nats-server'))).toEqual([])
  })

  it('uses a toolchain that is not on PATH', async () => {
    const fake = await machineWithGo()
    fake.overrides = { goFolders: [fake.bin] }
    fake.env['PATH'] = join(fake.root, 'empty')
    expect(await fake.find()).toMatchObject({ source: 'go' })
  })
})
