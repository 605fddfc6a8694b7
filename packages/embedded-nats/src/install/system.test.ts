// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fakeMachine, serverScript } from '../fake-machine.test-support.ts'
import type { FakeMachine } from '../fake-machine.test-support.ts'

interface FakeApt {
  /** Whether the package is known before the lists are updated, after it, or never. */
  readonly known?: 'at once' | 'after update' | 'never'
  readonly candidate?: string
  readonly installed?: string
  /** What `apt-get install` does instead. */
  readonly install?: string
  /** What `apt-get update` does besides. */
  readonly update?: string
}

/** A machine whose apt commands write down how they were called and "install" a script. */
async function machineWithApt(apt: FakeApt = {}): Promise<FakeMachine> {
  const { known = 'at once', candidate = '2.9.10-1+b3', installed = '(none)', update = '' } = apt
  const fake = await fakeMachine()
  const calls = `echo "\${0##*/} $*" >> ${fake.root}/calls`
  if (known === 'at once') await writeFile(join(fake.root, 'known'), '')
  const install = `mkdir -p ${fake.root}/sbin; { echo '#!/bin/sh'; echo ${JSON.stringify(serverScript('2.9.10')).replaceAll('$', '\\$')}; } > ${fake.root}/sbin/nats-server; chmod +x ${fake.root}/sbin/nats-server`
  await fake.script(
    'bin/apt-get',
    `PATH=/usr/bin:/bin; ${calls}; echo "$DEBIAN_FRONTEND $LC_ALL" > ${fake.root}/environment
    case $1 in
    update) ${known === 'after update' ? `touch ${fake.root}/known` : ':'}; ${update || ':'} ;;
    install) ${apt.install ?? install} ;;
    esac`,
  )
  await fake.script(
    'bin/apt-cache',
    `${calls}
    [ -e ${fake.root}/known ] || exit 0
    echo nats-server:
    echo '  Installed: ${installed}'
    echo '  Candidate: ${candidate}'
    echo '  Version table:'
    echo '     9.9.9 500'`,
  )
  return fake
}

async function calls(fake: FakeMachine): Promise<string[]> {
  return (await readFile(join(fake.root, 'calls'), 'utf8')).trim().split('\n')
}

function results(fake: FakeMachine): string[] {
  return fake.told.filter((line) => line.startsWith('system '))
}

const installLine = 'apt-get install -y --no-install-recommends nats-server'

describe('apt-get', () => {
  it('installs the package, telling the line before it runs', async () => {
    const fake = await machineWithApt()
    const path = join(fake.root, 'sbin', 'nats-server')
    expect(await fake.find({ version: '>=2.9.10 <2.10' })).toEqual({ path, version: '2.9.10', source: 'system' })
    expect(await calls(fake)).toEqual(['apt-cache policy nats-server', installLine])
    expect(results(fake)).toEqual([`system started: ${installLine}`, `system found: ${path} is nats-server 2.9.10`])
    expect(await readFile(join(fake.root, 'environment'), 'utf8')).toBe('noninteractive C\n')
  })

  it('updates the lists once when they do not know the package', async () => {
    const fake = await machineWithApt({ known: 'after update' })
    expect(await fake.find()).toMatchObject({ source: 'system' })
    const policy = 'apt-cache policy nats-server'
    expect(await calls(fake)).toEqual([policy, 'apt-get update', policy, installLine])
    expect(results(fake).slice(0, 2)).toEqual(['system started: apt-get update', `system started: ${installLine}`])
  })

  it.each([
    ['the sources have none', '', 'the sources of this machine have none'],
    ['the update fails', 'echo "E: Temporary failure"; echo more; exit 100', 'E: Temporary failure'],
  ])('is given up when %s', async (_case, update, fault) => {
    const fake = await machineWithApt({ known: 'never', update })
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(await calls(fake)).toHaveLength(3)
    expect(results(fake).at(-1)).toBe(`system failed: apt knows no package nats-server: ${fault}`)
  })

  it.each([
    ['2.9.10-1+b3', '2.9.10'],
    ['1:2.11.4+ds1-2', '2.11.4'],
    ['2.10.27', '2.10.27'],
  ])('installs nothing when it offers %s and that is not wanted', async (candidate, version) => {
    const fake = await machineWithApt({ candidate })
    await expect(fake.find({ version: '>=2.14.3' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await calls(fake)).toEqual(['apt-cache policy nats-server'])
    expect(results(fake)).toEqual([`system passed: apt-get offers ${version}, not within >=2.14.3`])
  })

  it('installs what is only usable when nothing preferred can be had', async () => {
    const fake = await machineWithApt()
    expect(await fake.find({ preferred: '>=2.14.3' })).toMatchObject({ version: '2.9.10', source: 'system' })
    expect(results(fake)).toEqual([
      'system passed: apt-get offers 2.9.10, not within >=2.14.3',
      `system started: ${installLine}`,
      expect.stringContaining('; warning: 2.9.10 is not within the preferred >=2.14.3'),
    ])
  })

  it('installs nothing usable beside something usable', async () => {
    const fake = await machineWithApt()
    const path = await fake.server('bin/nats-server', '2.11.0')
    expect(await fake.find({ preferred: '>=2.14.3' })).toMatchObject({ path, source: 'path' })
    expect(await calls(fake)).toEqual(['apt-cache policy nats-server'])
  })

  it.each([
    ['at once', `apt-get offers 2.9.10 and needs root: run sudo ${installLine}`],
    ['after update', 'apt knows no package nats-server: run sudo apt-get update and start again'],
  ] as const)('changes nothing without root, the package being known %s', async (known, text) => {
    const fake = await machineWithApt({ known })
    fake.overrides = { isRoot: false }
    await expect(fake.find()).rejects.toThrow(text)
    expect(await calls(fake)).toEqual(['apt-cache policy nats-server'])
    expect(results(fake)).toEqual([`system failed: ${text}`])
  })

  it('does not upgrade a package somebody may rely on', async () => {
    const fake = await machineWithApt({ installed: '2.8.1-1', candidate: '2.9.10-1' })
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(await calls(fake)).toEqual(['apt-cache policy nats-server'])
    expect(results(fake)).toEqual([
      `system failed: the package 2.8.1 is installed; to upgrade it to 2.9.10 run sudo ${installLine}`,
    ])
  })

  it('updates lists that name files the mirror no longer has', async () => {
    const once = `[ -e "$HOME/again" ] || { touch "$HOME/again"; echo 'E: Failed to fetch http://mirror/x.deb  404  Not Found'; exit 100; }`
    const fake = await machineWithApt({ install: once })
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect((await calls(fake)).slice(1)).toEqual([installLine, 'apt-get update', installLine])
    expect(results(fake).at(-1)).toBe(
      'system failed: apt-get installed the package, but no wanted nats-server came of it',
    )
  })

  it.each([
    ['echo "E: Could not get lock"; echo "E: second"; exit 100', 'E: Could not get lock'],
    ['exit 3', 'it ended with code 3'],
    ['exec sleep 60', 'it took too long'],
  ])('tells why %j did not work', async (install, fault) => {
    const fake = await machineWithApt({ install })
    // What ends by itself may take its time.
    fake.limits = install.includes('sleep') ? { systemMs: 2000, progressMs: 100 } : {}
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(results(fake).at(-1)).toBe(`system failed: apt-get: ${fault}`)
    if (install.includes('sleep')) expect(results(fake)).toContain('system progress: apt-get install is running, 0 s')
  })

  it.each([
    ['linux', 'install the nats-server package of your distribution by hand (on Alpine: apk add nats-server)'],
    ['darwin', 'brew install nats-server gives you one'],
  ] as const)('that is not there on %s is told, with what to do instead', async (platform, advice) => {
    const fake = await fakeMachine()
    fake.overrides = { platform }
    await expect(fake.find()).rejects.toThrow(advice)
  })
})

async function machineWithSystemd(apt: FakeApt = {}, mask = ':'): Promise<FakeMachine> {
  const fake = await machineWithApt(apt)
  fake.overrides = { hasSystemd: true }
  await fake.script('bin/systemctl', `echo "systemctl $*" >> ${fake.root}/calls; [ $1 = mask ] || exit 0; ${mask}`)
  return fake
}

describe('the service of the package', () => {
  const undone = ['systemctl unmask --runtime nats-server.service', 'systemctl disable nats-server.service']

  it('is masked during the install and disabled after it', async () => {
    const fake = await machineWithSystemd()
    expect(await fake.find()).toMatchObject({ source: 'system' })
    expect((await calls(fake)).slice(1)).toEqual([
      'systemctl mask --runtime nats-server.service',
      installLine,
      ...undone,
    ])
    expect(results(fake)).toContain('system started: systemctl mask --runtime nats-server.service')
  })

  it('is unmasked when the install fails or the search is aborted', async () => {
    const failing = await machineWithSystemd({ install: 'exit 100' })
    await expect(failing.find()).rejects.toMatchObject({ code: 'not_found' })
    expect((await calls(failing)).slice(-2)).toEqual(undone)
    const aborted = await machineWithSystemd({ install: 'exec sleep 60' })
    const abort = new AbortController()
    const reason = new Error('enough')
    const onProgress = ({ text }: { text: string }): void => void (text === installLine && abort.abort(reason))
    await expect(aborted.find({ signal: abort.signal, onProgress })).rejects.toBe(reason)
    expect((await calls(aborted)).slice(-2)).toEqual(undone)
  })

  it('keeps the package from being installed when it cannot be masked', async () => {
    const fake = await machineWithSystemd({}, 'echo no permission; exit 1')
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(results(fake).at(-1)).toBe(
      'system failed: nothing was installed, its service could not be kept from starting: no permission',
    )
    expect(existsSync(join(fake.root, 'sbin', 'nats-server'))).toBe(false)
  })
})
