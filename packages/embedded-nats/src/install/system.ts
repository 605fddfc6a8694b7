// SPDX-License-Identifier: Apache-2.0
import { findExecutables, probeServer } from '../executable.ts'
import { runCommand } from '../run-command.ts'
import type { CommandResult } from '../run-command.ts'
import type { NatsServerBinary, Search } from '../search.ts'
import type { VersionRange } from '../version-range.ts'
import type { Installed } from './installer.ts'

const installArguments = ['install', '-y', '--no-install-recommends', 'nats-server']
const service = 'nats-server.service'

/** Installs the distribution's package with apt-get, as root only, and without starting the service that comes with it. */
export async function installFromSystem(search: Search, isWanted: VersionRange): Promise<Installed> {
  const { machine } = search
  const [aptGet] = await findExecutables(machine, 'apt-get')
  const [aptCache] = await findExecutables(machine, 'apt-cache')
  if (aptGet === undefined || aptCache === undefined) {
    search.report('system', 'passed', `there is no apt-get on this machine; ${otherManager(machine.platform)}`)
    return undefined
  }
  const known = await askApt(search, aptCache)
  const { offered, installed } = known.offered === undefined ? await askAfterUpdate(search, aptGet, aptCache) : known
  if (offered === undefined) return undefined
  if (!isWanted(offered)) return { unwanted: `apt-get offers ${offered}` }
  const fault = installFault(machine.isRoot, offered, installed)
  if (fault !== undefined) {
    search.report('system', 'failed', fault)
    return undefined
  }
  return withoutService(search, () => install(search, aptGet, isWanted))
}

function otherManager(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'brew install nats-server gives you one'
  return 'install the nats-server package of your distribution by hand (on Alpine: apk add nats-server)'
}

/** What apt knows of the package: upstream versions, without the distribution's own suffix. */
interface AptAnswer {
  readonly offered: string | undefined
  readonly installed: string | undefined
}

async function askApt(search: Search, aptCache: string): Promise<AptAnswer> {
  const { env, limits } = search.machine
  const { output } = await runCommand({
    path: aptCache,
    args: ['policy', 'nats-server'],
    env: { ...env, LC_ALL: 'C' },
    timeoutMs: limits.systemMs,
    signal: search.signal,
  })
  const version = (label: string): string | undefined =>
    new RegExp(`^ *${label}: (?:\\d+:)?(\\d+\\.\\d+\\.\\d+)`, 'm').exec(output)?.[1]
  return { offered: version('Candidate'), installed: version('Installed') }
}

async function askAfterUpdate(search: Search, aptGet: string, aptCache: string): Promise<AptAnswer> {
  const nothing: AptAnswer = { offered: undefined, installed: undefined }
  if (!search.machine.isRoot) {
    search.report('system', 'failed', 'apt knows no package nats-server: run sudo apt-get update and start again')
    return nothing
  }
  const update = await runAptGet(search, aptGet, ['update'])
  const answer = await askApt(search, aptCache)
  if (answer.offered !== undefined) return answer
  const fault = update.ok ? 'the sources of this machine have none' : faultOf(update)
  search.report('system', 'failed', `apt knows no package nats-server: ${fault}`)
  return nothing
}

function installFault(isRoot: boolean, offered: string, installed: string | undefined): string | undefined {
  const line = `apt-get ${installArguments.join(' ')}`
  // An upgrade would restart a service that somebody may rely on.
  if (installed !== undefined)
    return `the package ${installed} is installed; to upgrade it to ${offered} run sudo ${line}`
  return isRoot ? undefined : `apt-get offers ${offered} and needs root: run sudo ${line}`
}

async function install(search: Search, aptGet: string, isWanted: VersionRange): Promise<NatsServerBinary | undefined> {
  let result = await runAptGet(search, aptGet, installArguments)
  // Lists from some time ago name files the mirror has replaced since.
  if (!result.ok && /404|Failed to fetch|Unable to fetch/.test(result.output)) {
    await runAptGet(search, aptGet, ['update'])
    result = await runAptGet(search, aptGet, installArguments)
  }
  if (!result.ok) {
    search.report('system', 'failed', `apt-get: ${faultOf(result)}`)
    return undefined
  }
  for (const path of await findExecutables(search.machine, 'nats-server', search.machine.serverFolders)) {
    const probe = await probeServer(path, search.machine, search.signal)
    if ('version' in probe && isWanted(probe.version)) return { path, version: probe.version, source: 'system' }
  }
  search.report('system', 'failed', 'apt-get installed the package, but no wanted nats-server came of it')
  return undefined
}

async function runAptGet(search: Search, aptGet: string, args: readonly string[]): Promise<CommandResult> {
  const { env, limits } = search.machine
  // The line is printed before it runs: it changes the system.
  search.report('system', 'started', `apt-get ${args.join(' ')}`)
  return search.reporting(
    'system',
    (seconds) => `apt-get ${args[0]} is running, ${seconds} s`,
    () =>
      runCommand({
        path: aptGet,
        args,
        env: { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
        timeoutMs: limits.systemMs,
        gentle: true,
        signal: search.signal,
      }),
  )
}

/** The line that begins with "E:" says more than the last one. */
function faultOf(result: CommandResult): string {
  if (result.tooLong) return 'it took too long'
  return /^E: .*$/m.exec(result.output)?.[0] ?? result.lastLine
}

/**
 * The package enables and starts a service of its own where systemd runs. While its unit is masked nothing can start it, and
 * disabled afterwards it does not come back with the next boot either.
 */
async function withoutService<Result>(search: Search, run: () => Promise<Result>): Promise<Result | undefined> {
  if (!search.machine.hasSystemd) return run()
  const masked = await systemctl(search, ['mask', '--runtime', service])
  if (!masked.ok) {
    search.report(
      'system',
      'failed',
      `nothing was installed, its service could not be kept from starting: ${masked.lastLine}`,
    )
    return undefined
  }
  try {
    return await run()
  } finally {
    await systemctl(search, ['unmask', '--runtime', service])
    await systemctl(search, ['disable', service])
  }
}

async function systemctl(search: Search, args: readonly string[]): Promise<CommandResult> {
  const [path = 'systemctl'] = await findExecutables(search.machine, 'systemctl')
  const { env, limits } = search.machine
  search.report('system', 'started', `systemctl ${args.join(' ')}`)
  // Undoing must happen although the search was aborted.
  return runCommand({ path, args, env, timeoutMs: limits.probeMs, signal: new AbortController().signal })
}
