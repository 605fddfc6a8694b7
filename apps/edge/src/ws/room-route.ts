// SPDX-License-Identifier: Apache-2.0
import { WsError, type Codec, type Handler, type Outgoing, type Rooms, type WsRequest } from '@nats-edge/ws-toolkit'
import type { RoomRouteConfig } from '../config/ws-backend-schema.ts'
import type { CodecConfig } from '../config/ws-schema.ts'
import type { ClientData } from './client-data.ts'
import { requestText } from './request-text.ts'

/** The words of a channel, and how they were configured. */
export interface Wording {
  readonly codec: Codec
  readonly config: CodecConfig
}

/** Throws TypeError where newcomers are to get a past that nobody keeps. */
export function checkRewind(rewind: number | undefined, { hasHistory }: { readonly hasHistory: boolean }): void {
  if (rewind === undefined || rewind === 0 || hasHistory) return
  throw new TypeError('rewind: there is nothing to give: name a stream in ws.rooms.history')
}

/** Makes the handler of a route that has to do with a room. */
export function roomHandler(config: RoomRouteConfig, rooms: Rooms, wording: Wording): Handler<ClientData> {
  const nameOf = requestText(config.name)
  if (config.room === 'join') return joining(nameOf, config.rewind ?? 0, wording)
  if (config.room === 'leave') return leaving(nameOf, wording)
  return sending((request) => nameOf(request), rooms, { ...config, wording })
}

/** Makes the handler that takes the messages of a channel with a room. */
export function channelRoomHandler(rooms: Rooms, self: boolean, wording: Wording): Handler<ClientData> {
  return sending(ownRoomOf, rooms, { self, wording })
}

function ownRoomOf({ connection }: WsRequest<ClientData>): string {
  return connection.data.room ?? ''
}

function joining(nameOf: (request: WsRequest) => string, rewind: number, wording: Wording): Handler<ClientData> {
  return async (request) => {
    const { connection } = request
    const joined = await connection.join(nameOf(request), { rewind })
    connection.data.rooms.add(joined.room)
    return answer(wording, joined)
  }
}

function leaving(nameOf: (request: WsRequest) => string, wording: Wording): Handler<ClientData> {
  return (request) => {
    const { connection } = request
    const room = nameOf(request)
    connection.data.rooms.delete(room)
    connection.leave(room)
    return answer(wording, { room })
  }
}

function sending(
  nameOf: (request: WsRequest<ClientData>) => string,
  rooms: Rooms,
  {
    self = true,
    anyone = false,
    wording,
  }: { readonly self?: boolean; readonly anyone?: boolean; readonly wording: Wording },
): Handler<ClientData> {
  return (request) => {
    const { connection, binary, id } = request
    const name = nameOf(request)
    if (!anyone && !connection.data.rooms.has(name)) {
      throw new WsError('forbidden', { message: 'only members may send to this room' })
    }
    rooms.room(name).broadcast(relayed(request, wording), { binary, except: self ? undefined : connection })
    return id === undefined ? undefined : answer(wording, { room: name })
  }
}

/** The message as members read it: as it came over raw words, without its id over others. */
function relayed({ key, data, bytes }: WsRequest, { codec, config }: Wording): Outgoing {
  if (typeof data === 'string' && config.type === 'raw') return data
  if (data instanceof Uint8Array) return data
  const isWhole = config.type === 'json' && config.data === false
  const notice = isWhole ? undefined : codec.notice?.(key, data)
  return notice ?? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/** Raw words have no answers that could be told from messages. */
function answer({ codec }: Wording, value: object): object | undefined {
  return codec.answersErrors ? value : undefined
}
