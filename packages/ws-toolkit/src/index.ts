// SPDX-License-Identifier: Apache-2.0
export type { Chain, Handler, Middleware, Next, Part, Reply, Site } from './chain.ts'
export type { Channel } from './channel.ts'
export type { ChannelOptions, Handshake } from './channel-options.ts'
export {
  closeClass,
  closeCode,
  closeReason,
  isCloseCode,
  parseCloseHint,
  relayedCloseCode,
  type CloseClass,
  type CloseHint,
  type CloseInfo,
} from './close-code.ts'
export type { Codec, Incoming, ReplyTo, RequestId } from './codec/codec.ts'
export { jsonCodec, type JsonCodecOptions } from './codec/json.ts'
export { JsonText, type JsonLimits } from './codec/json-text.ts'
export { jsonRpc, type JsonRpcOptions } from './codec/json-rpc.ts'
export { rawCodec } from './codec/raw.ts'
export type {
  CallOptions,
  CloseFunction,
  CloseOptions,
  Connection,
  ConnectionState,
  Message,
  SendFunction,
  SendOptions,
} from './connection.ts'
export type { ClosingCause, Dispatcher } from './dispatcher.ts'
export type { CloseGatewayOptions, DrainReport } from './drain.ts'
export type { HookName, LimitName, WsEvent } from './event.ts'
export { sharedFrame, type Outgoing, type SharedFrame } from './frame.ts'
export type { GatewayOptions } from './options.ts'
export type { Outbox, QueuedFrame } from './outbox.ts'
export type { OverflowPolicy } from './overflow-policy.ts'
export type { Registry } from './registry.ts'
export type { ReplyFunction, RequestChange, WsRequest } from './request.ts'
export type { BroadcastOptions, Joined, Room, Rooms } from './room.ts'
export type { RoomBus, RoomMessage, RoomSubscription } from './room-bus.ts'
export type { CompressionOptions } from './upgrade/socket-options.ts'
export type { MissingOrigin, Origins } from './upgrade/origin.ts'
export { wsGateway, type ConnectionInfo, type WsGateway } from './ws-gateway.ts'
export { WsError, wsErrorCodes, type WsErrorCode, type WsErrorOptions } from './ws-error.ts'
