// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { describeInChromium, launchChromium } from './support/chromium.ts'
import { describeWithRedis, startRedis } from './support/redis.ts'
import { chromium, findOrInstall, findProgram } from './support/system-program.ts'

afterEach(() => vi.unstubAllEnvs())

describeInChromium('a Chromium for tests', () => {
  it('runs scripts', async () => {
    const browser = await launchChromium()
    const page = await browser.newPage()
    expect(await page.evaluate('navigator.userAgent')).toContain('Chrome')
    await browser.close()
  })
})

describeWithRedis('a Redis for tests', () => {
  it('answers until it is stopped', async () => {
    const redis = await startRedis()
    const { hostname, port } = new URL(redis.url)
    const socket = createConnection(Number(port), hostname).end('PING\r\n')
    expect(String(await once(socket, 'data'))).toBe('+PONG\r\n')
    await redis.stop()
    const refused = createConnection(Number(port), hostname)
    expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
  })
})

it('takes the program a variable names, and no other', async () => {
  vi.stubEnv('CHROMIUM_BIN', process.execPath)
  expect(await findProgram(chromium)).toEqual({ path: process.execPath })
  vi.stubEnv('CHROMIUM_BIN', '/nowhere')
  expect(await findOrInstall(chromium, () => {})).toEqual({ missing: 'CHROMIUM_BIN=/nowhere is no program' })
})

it('says what to install where a program is missing', async () => {
  vi.stubEnv('CHROMIUM_BIN', '')
  vi.stubEnv('PATH', '')
  expect(await findProgram({ ...chromium, places: [] })).toEqual({
    missing: 'install Chromium or Google Chrome, or set CHROMIUM_BIN to its path',
  })
})

describe('apt-get', () => {
  /** A machine whose apt-get writes down what it is asked, and installs `tool` if it knows it. */
  async function machine(candidate: string): Promise<{ folder: string; asked: () => Promise<string[]> }> {
    const folder = await mkdtemp(join(tmpdir(), 'nats-edge-apt-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const script = async (name: string, lines: string): Promise<void> => {
      await writeFile(join(folder, name), `#!/bin/sh\n${lines}\n`)
      await chmod(join(folder, name), 0o755)
    }
    await script('apt-cache', `echo "  Candidate: $(cat ${folder}/candidate)"`)
    await writeFile(join(folder, 'candidate'), candidate)
    await script(
      'apt-get',
      `echo "$*" >> ${folder}/asked
      case "$*" in
        *--download-only*) [ "$(cat ${folder}/candidate)" != old ] || { echo 'E: Failed to fetch tool.deb 404' >&2; exit 100; } ;;
        *update*) [ "$(cat ${folder}/candidate)" = never ] || echo 1.0 > ${folder}/candidate ;;
        *) printf '#!/bin/sh' > ${folder}/tool; chmod +x ${folder}/tool ;;
      esac`,
    )
    vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`)
    vi.spyOn(process, 'getuid').mockReturnValue(0)
    const asked = async (): Promise<string[]> => (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n')
    return { folder, asked }
  }
  const tool = { variable: 'TOOL_BIN', names: ['tool'], places: [], debianPackage: 'tool', advice: 'build it' }
  const options = '-o Acquire::http::Timeout=20 tool'
  const download = `-q install -y --no-install-recommends ${options} --download-only`
  const install = `-q install -y --no-install-recommends ${options}`

  afterEach(() => vi.restoreAllMocks())

  it('installs a package it knows', async () => {
    const { folder, asked } = await machine('1.0')
    const told: string[] = []
    expect(await findOrInstall(tool, (line) => told.push(line))).toEqual({ path: join(folder, 'tool') })
    expect(await asked()).toEqual([download, install])
    expect(told[0]).toContain('apt-get install -y')
  })

  it.each([
    ['it has none yet', '(none)', ['-q update', download, install]],
    ['those are too old', 'old', [download, '-q update', download, install]],
  ])('fetches the lists where %s', async (_case, candidate, expected) => {
    const { folder, asked } = await machine(candidate)
    expect(await findOrInstall(tool, () => {})).toEqual({ path: join(folder, 'tool') })
    expect(await asked()).toEqual(expected)
  })

  it('is left alone by whoever is not root', async () => {
    await machine('1.0')
    vi.spyOn(process, 'getuid').mockReturnValue(1000)
    expect(await findOrInstall(tool, () => {})).toEqual({ missing: 'run sudo apt-get install tool' })
  })

  it('is told to have failed in its own words', async () => {
    const { folder } = await machine('1.0')
    await writeFile(join(folder, 'apt-get'), '#!/bin/sh\necho "E: No space left" >&2; exit 100')
    expect(await findOrInstall(tool, () => {})).toEqual({ missing: 'build it (E: No space left)' })
  })
})
