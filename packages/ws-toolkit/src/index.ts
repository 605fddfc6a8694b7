// SPDX-License-Identifier: Apache-2.0
export { httpBackend, type HttpBackend, type HttpBackendOptions } from './backend/http-backend.ts'
export type {
  DispatchedRequest,
  HttpDispatcher,
  ResponseController,
  ResponseHandler,
  ResponseHeaders,
} from './backend/http-dispatcher.ts'
export { httpPool, type HttpPool, type HttpPoolOptions } from './backend/http-pool.ts'
export type { HttpReply, ReplyForm } from './backend/http-reply.ts'
export type { HttpRequest } from './backend/http-request.ts'
export {
  loadBalancer,
  type EjectOptions,
  type LoadBalancer,
  type LoadBalancerOptions,
  type TargetStats,
} from './backend/load-balancer.ts'
export type { ProbeOptions } from './backend/probe.ts'
export { queueBackend, type QueueBackend, type QueueBackendOptions } from './backend/queue-backend.ts'
export { jsonRpcMatch, type MatchedReply, type ReplyMatch, type UpstreamMessage } from './backend/reply-match.ts'
export type { TargetHealth, TargetOptions } from './backend/target.ts'
export type { TargetPick } from './backend/target-pick.ts'
export { wsBackend, type WsBackend, type WsBackendStats } from './backend/ws-backend.ts'
export type { WsBackendOptions } from './backend/ws-backend-options.ts'
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
export type { CloseGatewayOptions } from './drain.ts'
export type { HookName, LimitName, WsEvent } from './event.ts'
export { sharedFrame, type Outgoing, type SharedFrame } from './frame.ts'
export { basicAuth, type BasicAuthOptions } from './http/basic-auth.ts'
export { bearer, type BearerOptions } from './http/bearer.ts'
export { clientIp, type ClientIp, type ClientIpOptions } from './http/client-ip.ts'
export { hashCredential } from './http/credential.ts'
export { pickHeaders } from './http/pick-headers.ts'
export type { TokenSource } from './http/token-source.ts'
export type { Verified } from './http/verified.ts'
export type { AnyMiddleware } from './middleware/any-middleware.ts'
export { breaker, type Breaker, type BreakerOptions } from './middleware/breaker.ts'
export { cache, type Cache, type CacheOptions, type CacheStats } from './middleware/cache.ts'
export type { CircuitState, PlacedCircuit } from './middleware/circuit.ts'
export { exponential, linear, type Delay, type ExponentialOptions } from './middleware/delay.ts'
export { errors, type OnError } from './middleware/errors.ts'
export { measure, type Measurement } from './middleware/measure.ts'
export { rateLimit, type Rate, type RateLimitOptions, type RateLimitStore } from './middleware/rate-limit.ts'
export { retry, type RetryOptions } from './middleware/retry.ts'
export type { Scope } from './middleware/scope.ts'
export { throttle, type ThrottleOptions } from './middleware/throttle.ts'
export { timeout } from './middleware/timeout.ts'
export { traceHeadersOf, tracing, type Tracing, type TracingOptions } from './middleware/tracing.ts'
export type { SpanContext, TraceState } from './middleware/trace-context.ts'
export type { AttributeValue, Span, SpanOptions, TraceParent, Tracer } from './middleware/tracer.ts'
export {
  validate,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  type ValidateOptions,
} from './middleware/validate.ts'
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
