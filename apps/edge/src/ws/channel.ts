// SPDX-License-Identifier: Apache-2.0
import {
  closeCode,
  jsonCodec,
  jsonRpc,
  pickHeaders,
  rawCodec,
  WsError,
  type ChannelOptions,
  type Codec,
  type Connection,
  type WsGateway,
} from '@nats-edge/ws-toolkit'
import type { Context } from 'hono'
import type { ConfigPath } from '../config/tree.ts'
import type { RouteConfig, TargetConfig } from '../config/ws-backend-schema.ts'
import type { ChannelConfig, ChannelRoomConfig, CodecConfig } from '../config/ws-schema.ts'
import { requestIdOf } from '../request-id.ts'
import { problemResponse } from '../problem.ts'
import { cacheBasis } from './cache-basis.ts'
import type { ClientData } from './client-data.ts'
import { httpMiddlewareOf, middlewareOf } from './middleware.ts'
import type { NatsTools } from './nats-route.ts'
import { placed } from './option-place.ts'
import { clientText } from './request-text.ts'
import type { Client } from './request-text.ts'
import { channelRoomHandler, checkRewind, type Wording } from './room-route.ts'
import { RouteBuilder } from './route.ts'

// The package's own 32 KiB suit small messages; behind the edge a message is what a broker takes by default.
const defaultMaxMessageBytes = 1_048_576
const maxRoomLength = 256

/** The path of a channel below the gateway, however it was written. */
export function channelPath(name: string): string {
  return name.startsWith('/') ? name : `/${name}`
}

/** Adds one channel of the configuration to a gateway; throws OptionFault for what it refuses. */
export function addChannel(gateway: WsGateway, name: string, config: ChannelConfig, tools: NatsTools): void {
  const place: ConfigPath = ['channels', name]
  const { codec: codecConfig = { type: 'raw' }, room, http, use, routes = {}, default: fallback, ...options } = config
  const wording: Wording = { config: codecConfig, codec: placed([...place, 'codec'], () => codecOf(codecConfig)) }
  const basis = cacheBasis(config)
  const builder = new RouteBuilder({ ...tools, rooms: gateway.rooms, wording, basis })
  const roomOf = room && placed([...place, 'room'], () => roomNameOf(room, tools))
  const own: ChannelOptions<ClientData> = {
    maxMessageBytes: defaultMaxMessageBytes,
    ...options,
    codec: wording.codec,
    onConnect: connecting(config, roomOf),
    onOpen: (connection) => opened(connection, builder.onOpen, room),
  }
  const channel = placed(place, () => gateway.channel<ClientData>(channelPath(name), own))
  const before = httpMiddlewareOf([...place, 'http'], http, options)
  if (before.length > 0) channel.http(...before)
  const around = middlewareOf([...place, 'use'], use, basis)
  if (around.length > 0) channel.use(...around)
  for (const [pattern, route] of inOrder(routes)) {
    const path = [...place, 'routes', pattern]
    const chain = builder.chain(path, pattern, route)
    placed(path, () => channel.route(pattern, ...chain))
  }
  if (fallback !== undefined) channel.default(...builder.chain([...place, 'default'], '(default)', fallback))
  else if (room !== undefined) channel.default(channelRoomHandler(gateway.rooms, room.self ?? true, wording))
}

function roomNameOf({ name, rewind }: ChannelRoomConfig, tools: NatsTools): (client: Client) => string {
  checkRewind(rewind, tools)
  return clientText(name)
}

function codecOf(config: CodecConfig): Codec {
  if (config.type === 'raw') return rawCodec()
  const { type, ...options } = config
  return type === 'json' ? jsonCodec(options) : jsonRpc(options)
}

/** Routes that unsubscribe need to know those that subscribe. */
function inOrder(routes: Readonly<Record<string, RouteConfig>>): readonly (readonly [string, RouteConfig])[] {
  return Object.entries(routes).toSorted(([, a], [, b]) => turnOf(a) - turnOf(b))
}

function turnOf(route: RouteConfig): number {
  return 'nats' in route && route.nats === 'unsubscribe' ? 1 : 0
}

/** Keeps what routes will need of the handshake, and refuses whom no room can be found for. */
function connecting(
  config: ChannelConfig,
  roomOf: ((client: Client) => string) | undefined,
): NonNullable<ChannelOptions<ClientData>['onConnect']> {
  const names = forwardedNames(config)
  return (c: Context, { params, ip }) => {
    const headers = pickHeaders(c, names)
    if (roomOf === undefined) return { headers, rooms: new Set(), room: undefined }
    try {
      const room = roomOf({ params, ip, principal: c.get('principal') })
      if (room === '' || room.length > maxRoomLength) {
        throw new WsError('bad_request', { message: `the name of a room has 1 to ${maxRoomLength} characters` })
      }
      return { headers, rooms: new Set(), room }
    } catch (error) {
      const { code, message } = WsError.from(error)
      const requestId = requestIdOf(c.get('requestId'))
      return problemResponse({ code: code === 'unauthorized' ? code : 'bad_request', detail: message }, requestId)
    }
  }
}

function forwardedNames({ routes = {}, default: fallback }: ChannelConfig): readonly string[] {
  const all = [...Object.values(routes), ...(fallback === undefined ? [] : [fallback])]
  const services = all.flatMap((route): readonly (RouteConfig | TargetConfig)[] =>
    'balance' in route ? route.balance : [route],
  )
  return services.flatMap((route) => ('forwardHeaders' in route ? (route.forwardHeaders ?? []) : []))
}

async function opened(
  connection: Connection<ClientData>,
  others: RouteBuilder['onOpen'],
  room: ChannelRoomConfig | undefined,
): Promise<void> {
  // Its room a client may find later or at another edge; a service that is away ends it as at its first message.
  if (room !== undefined && !(await met(connection, closeCode.tryAgainLater, () => enterRoom(connection, room)))) return
  for (const other of others) {
    if (!(await met(connection, closeCode.internalError, () => other(connection)))) return
  }
}

/** Runs what a client came for; closes it with the code of the error, else with `code`, where that fails. */
async function met(
  connection: Connection<ClientData>,
  code: number,
  run: () => void | Promise<void>,
): Promise<boolean> {
  try {
    await run()
    return true
  } catch (error) {
    const failure = WsError.from(error)
    void connection.close(failure.closeCode ?? code, failure.message)
    return false
  }
}

async function enterRoom(connection: Connection<ClientData>, { rewind = 0 }: ChannelRoomConfig): Promise<void> {
  const { room, rooms } = connection.data
  if (room === undefined) return
  await connection.join(room, { rewind })
  rooms.add(room)
}
