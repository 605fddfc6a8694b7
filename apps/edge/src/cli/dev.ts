// SPDX-License-Identifier: Apache-2.0
import { loadConfig } from '../config.ts'
import type { Assignment } from '../config/assignment.ts'
import { channelLines, demoChannels } from '../demo/channels.ts'
import { curlLines } from '../demo/lines.ts'
import { wireLines } from '../demo/wire-lines.ts'
import type { WirePlaces } from '../demo/wire-lines.ts'
import type { EdgeServer } from '../edge-server.ts'
import { withoutPassword } from '../nats.ts'
import { edgeVersion } from '../version.ts'
import type { ExitCode } from './exit-code.ts'
import { runUntilEnd } from './lifetime.ts'
import { assignmentsOf, parseFlags, portOf } from './options.ts'
import type { ParsedFlags } from './options.ts'
import { configFlags } from './serve.ts'
import { startServer } from './start-server.ts'
import type { Terminal } from './terminal.ts'

const ownFlags = {
  demo: { type: 'boolean' },
  port: { type: 'string' },
  'wire-port': { type: 'string' },
  nats: { type: 'string' },
} as const

/** Runs a broker, the edge and, with `--demo`, services behind it; prints what to try. */
export async function devCommand(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const flags = parseFlags(args, { ...configFlags, ...ownFlags })
  const loaded = loadConfig({
    base: {
      embedded: { enabled: true },
      log: { format: 'pretty' },
      // Somebody waits for the prompt: NATS clients that stay are closed within a second.
      shutdown: { grace: '5s' },
      ...(flags.has('demo') ? { ws: { channels: demoChannels } } : {}),
    },
    assignments: [...devAssignments(flags), ...assignmentsOf(flags)],
    lenient: flags.has('lenient'),
    ...(flags.has('config') ? { files: flags.list('config') } : {}),
  })
  terminal.out(`nats-edge ${edgeVersion} on Node ${process.version}`)
  const onStep = (text: string): void => terminal.out(`broker   ${text}`)
  const started = await startServer(loaded, { insecure: false, adminMayMove: true, onStep })
  const { server } = started
  terminal.out(`edge     listens on ${server.url}`)
  const places = Object.values(wirePlaces(server)).filter((place) => place !== undefined)
  if (places.length > 0) terminal.out(`wire     NATS clients connect to ${places.join(' and ')}`)
  terminal.out(`admin    listens on ${server.adminUrl}${movedNote(server, loaded.config.listen.admin.address)}`)
  const demo = flags.has('demo')
  whenReady(server, demo).then(
    () => printTour(server, demo, terminal),
    // Told by `failed` as well, which ends the process.
    () => {},
  )
  return runUntilEnd(started)
}

function devAssignments(flags: ParsedFlags): readonly Assignment[] {
  const assignments: Assignment[] = []
  const port = flags.text('port')
  if (port !== undefined) {
    assignments.push({ flag: '--port', text: `listen.public.address=127.0.0.1:${portOf('--port', port)}` })
  }
  const wirePort = flags.text('wire-port')
  if (wirePort !== undefined) {
    assignments.push({ flag: '--wire-port', text: `listen.wire.address=127.0.0.1:${portOf('--wire-port', wirePort)}` })
  }
  const nats = flags.text('nats')
  if (nats !== undefined) {
    assignments.push(
      { flag: '--nats', text: `nats.servers=${nats}` },
      { flag: '--nats', text: 'embedded.enabled=false' },
    )
  }
  return assignments
}

async function whenReady(server: EdgeServer, demo: boolean): Promise<void> {
  await server.ready()
  if (!demo) return
  const [{ demoService }, { demoGreeter }] = await Promise.all([
    import('../demo/services.ts'),
    import('../demo/greeter.ts'),
  ])
  demoGreeter(server.bus)
  await demoService(server.bus).ready()
}

function printTour(server: EdgeServer, demo: boolean, terminal: Terminal): void {
  // The clock began when the process did.
  const seconds = (performance.now() / 1000).toFixed(1)
  const where = server.natsUrl === undefined ? '' : ` at ${withoutPassword(server.natsUrl)}`
  terminal.out(`nats     connected to nats-server ${server.bus.info?.serverVersion ?? ''}${where}`)
  terminal.out(`ready after ${seconds} s. Try:\n`)
  for (const line of curlLines(server, demo)) terminal.out(`  ${line}`)
  for (const line of wireLines(wirePlaces(server), demo)) terminal.out(`  ${line}`)
  if (demo) for (const line of channelLines(server, server.config.ws.path)) terminal.out(`  ${line}`)
  terminal.out('\nCtrl-C stops everything.')
}

function wirePlaces({ url, wireUrl, config }: EdgeServer): WirePlaces {
  const { enabled, websocketPath } = config.wire
  const hasWebSocket = enabled && websocketPath !== false
  return { tcp: wireUrl, webSocket: hasWebSocket ? `${url.replace(/^http/, 'ws')}${websocketPath}` : undefined }
}

function movedNote(server: EdgeServer, wanted: string): string {
  return wanted.endsWith(':0') || server.adminUrl === `http://${wanted}` ? '' : ` (${wanted} is taken)`
}
