// SPDX-License-Identifier: Apache-2.0
import { wireGateway } from '@nats-edge/wire-parser/gateway'
import type { WireGateway, WireGatewayOptions } from '@nats-edge/wire-parser/gateway'
import { upgradeWebSocket } from '@nats-edge/ws-toolkit/upgrade'
import type { Mount, SurfaceListener } from '../capability.ts'
import { OptionFault } from '../config/option-fault.ts'
import { wireKeyOfOption } from '../config/wire-schema.ts'
import { resolveAddresses } from '../listener/address-rules.ts'
import { isLoopback } from '../listener/host-check.ts'
import { WireAdmission } from '../wire/admission.ts'
import { backendOf } from '../wire/backend.ts'
import { wireEventLog } from '../wire/event-log.ts'
import { listenerTls, WireListener } from '../wire/listener.ts'
import { loginGuard, UnprotectedListener } from '../wire/login-guard.ts'
import type { SurfaceContext } from './surface-context.ts'

const tcp = { name: 'wire', key: 'listen.wire.address' }
const unix = { name: 'wire-unix', key: 'listen.wire.path' }

/** The NATS protocol over TCP and WebSocket; none where it is off. Throws OptionFault for an option the gateway refuses. */
export function wireMounts(context: SurfaceContext): readonly Mount[] {
  const { config, server } = context
  const { enabled, websocketPath, backends } = config.wire
  if (!enabled || (backends === undefined && server.isForeign)) return []
  const options = gatewayOptions(context)
  const gateway = checkedGateway({ ...options, backends: [backendOf(config, server.url)] })
  // Clients that are connected stay where they are.
  const move = (url: string): unknown => gateway.reload({ ...options, backends: [backendOf(config, url)] })()
  if (backends === undefined) server.onMove(move)
  const listeners = listenersOf(gateway, context)
  return [
    {
      surface: 'wire',
      path: websocketPath === false ? undefined : websocketPath,
      pathKey: ['wire', 'websocketPath'],
      capability: gateway,
      listeners,
      checks: [{ name: 'wire', status: () => (listeners.every(({ url }) => url !== undefined) ? 'ok' : 'starting') }],
      get description() {
        return descriptionOf(listeners, websocketPath)
      },
    },
  ]
}

function gatewayOptions(context: SurfaceContext): Omit<WireGatewayOptions, 'backends'> {
  const { config, log, clientAddress, connectionCount } = context
  const { enabled: _enabled, websocketPath: _path, backends: _backends, ...own } = config.wire
  const guard = guardOf(context)
  return {
    ...own,
    upgradeWebSocket,
    admission: new WireAdmission(own.limits ?? {}, { count: connectionCount, connections: config.limits.connections }),
    clientIp: (c) => clientAddress.of(c.env.incoming),
    observe: wireEventLog(log, config.log.access),
    ...(guard && { hooks: { onInfo: guard } }),
  }
}

/** What holds clients off a listener beyond loopback while the server asks nobody to log in. */
function guardOf({ config, server, insecure, fail }: SurfaceContext): ReturnType<typeof loginGuard> | undefined {
  const { wire } = resolveAddresses(config, insecure)
  if (insecure || wire === undefined || isLoopback(wire.host)) return undefined
  const failure = new UnprotectedListener(config.listen.wire.address)
  if (config.wire.backends === undefined) server.onOpen(() => fail(failure))
  return loginGuard(tcp.name, () => fail(failure))
}

function listenersOf(gateway: WireGateway, { config, insecure }: SurfaceContext): readonly SurfaceListener[] {
  const { path, tls } = config.listen.wire
  const { wire } = resolveAddresses(config, insecure)
  const secure = tls === undefined ? {} : { tls: listenerTls(tls) }
  return [
    ...(wire === undefined ? [] : [new WireListener(gateway, tcp, { ...wire, ...secure })]),
    ...(path === undefined ? [] : [new WireListener(gateway, unix, { path })]),
  ]
}

function checkedGateway(options: WireGatewayOptions): WireGateway {
  try {
    return wireGateway(options)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new OptionFault('wire', wireKeyOfOption, error)
    throw error
  }
}

function descriptionOf(listeners: readonly SurfaceListener[], websocketPath: string | false): string {
  const places = listeners.map(({ url, wanted }) => url ?? wanted)
  const webSocket = websocketPath === false ? [] : ['WebSocket here']
  return `the NATS protocol; ${[...webSocket, ...places].join(', ')}`
}
