// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily, MetricSample } from '@nats-edge/wire-parser'
import { wsGateway, type WsGateway } from '@nats-edge/ws-toolkit'
import { natsRoomBus } from '@nats-edge/ws-toolkit/nats'
import type { Context } from 'hono'
import type { Capability, CloseOptions, Mount } from '../capability.ts'
import { problemResponse } from '../problem.ts'
import { requestIdOf } from '../request-id.ts'
import { addChannel, channelPath } from '../ws/channel.ts'
import { eventLog } from '../ws/event-log.ts'
import { placed } from '../ws/option-place.ts'
import type { SurfaceContext } from './surface-context.ts'

/** The WebSocket channels of the configuration, at their place; none when it has none. Throws OptionFault. */
export function wsMounts(context: SurfaceContext): readonly Mount[] {
  const { path, channels } = context.config.ws
  const names = Object.keys(channels)
  if (names.length === 0) return []
  const gateway = gatewayOf(context)
  const { ws, nats } = context.config
  const tools = { bus: context.bus, requestTimeoutMs: nats.requestTimeout, hasHistory: ws.rooms.history !== undefined }
  for (const [name, channel] of Object.entries(channels)) addChannel(gateway, name, channel, tools)
  const list = names.map((name) => path + channelPath(name))
  for (const name of ['/', ...names.map(channelPath)])
    gateway.routes.all(name, (c: Context) => upgradeRequired(c, list))
  const description = `WebSocket channels: ${list.join(', ')}`
  return [{ surface: 'ws', path, pathKey: ['ws', 'path'], capability: capabilityOf(gateway, context), description }]
}

function gatewayOf({ config, bus, log, clientAddress }: SurfaceContext): WsGateway {
  const { path: _path, channels: _channels, rooms, ...options } = config.ws
  const { bus: carrier, ...roomOptions } = rooms
  const [idle] = carrier === 'none' ? Object.keys(roomOptions) : []
  if (idle !== undefined) placed(['rooms'], () => refuse(`${idle}: is for rooms over NATS, with bus: nats`))
  const roomBus = carrier === 'none' ? undefined : placed(['rooms'], () => natsRoomBus(bus, roomOptions))
  return placed([], () =>
    wsGateway({
      ...options,
      surface: 'ws',
      clientIp: (c) => clientAddress.of(c.env.incoming),
      observe: eventLog(log),
      ...(roomBus && { roomBus }),
    }),
  )
}

function refuse(message: string): never {
  throw new TypeError(message)
}

/** The gateway as the edge composes it: its metrics begin with `ws_`, its own drain time holds within that of the edge. */
function capabilityOf(gateway: WsGateway, { config }: SurfaceContext): Capability {
  const { drainMs } = config.ws
  return {
    routes: gateway.routes,
    stats: () => families(gateway),
    ready: () => gateway.ready(),
    connections: () => gateway.connections(),
    kick: (select, reason) => gateway.kick(select, reason),
    updatePrincipals: (next) => gateway.updatePrincipals(next),
    close: (options: CloseOptions = {}) => {
      const whole = options.drainMs ?? drainMs
      return gateway.close({ ...options, ...(whole !== undefined && { drainMs: Math.min(whole, drainMs ?? whole) }) })
    },
  }
}

/** The numbers of the gateway under the names and labels the edge has for such numbers. */
function* families(gateway: WsGateway): IterableIterator<MetricFamily> {
  for (const family of gateway.stats()) {
    yield { ...family, name: `ws_${family.name}`, samples: Array.from(family.samples, withShortLabel) }
  }
}

function withShortLabel({ labels, value }: MetricSample): MetricSample {
  const { direction: dir, ...others } = labels
  return { labels: dir === undefined ? others : { ...others, dir }, value }
}

function upgradeRequired(c: Context, channels: readonly string[]): Response {
  const detail = `Connect by WebSocket to one of: ${channels.join(', ')}.`
  const response = problemResponse({ code: 'upgrade_required', detail }, requestIdOf(c.get('requestId')))
  response.headers.set('Upgrade', 'websocket')
  response.headers.set('Connection', 'Upgrade')
  return response
}
