// SPDX-License-Identifier: Apache-2.0
export type { AddressOptions } from './gateway/address-rules.ts'
export type { BackendOptions, BackendTlsOptions } from './gateway/backend-options.ts'
export type { CloseCause, CloseReport } from './gateway/close-cause.ts'
export type { WireConnectionInfo, WireUserInfo } from './gateway/connection-registry.ts'
export type { Decision, Delay, Deny, Drop, Forward, Replace, Respond } from './gateway/decision.ts'
export { delay, deny, drop, forward, replace, respond } from './gateway/decision.ts'
export type { CloseOptions } from './gateway/drain.ts'
export type { FromHandlersOptions, Handler, Handlers } from './gateway/from-handlers.ts'
export { fromHandlers } from './gateway/from-handlers.ts'
export type { EventOperation, EventSubject, GatewayEvent, RefusalReason } from './gateway/gateway-event.ts'
export type { WireGatewayLimits } from './gateway/gateway-limits.ts'
export type { HiddenInfoField, WireAuthenticate, WireGatewayOptions } from './gateway/gateway-options.ts'
export type {
  ControlLine,
  ControlLineHook,
  DeliverOperation,
  Hook,
  HookResult,
  PublishOperation,
  SubscribeOperation,
  UnsubscribeOperation,
  WireHooks,
} from './gateway/hooks.ts'
export type { BoundListener, ListenerOptions } from './gateway/listener.ts'
export type { ReloadReport } from './gateway/reload.ts'
export type { ListenerTlsOptions, TlsKeyPair } from './gateway/tls-options.ts'
export type { TraceRecord } from './gateway/trace.ts'
export type {
  RawWebSocket,
  WebSocketCompression,
  WireSocketEvents,
  WireSocketOptions,
  WireUpgrade,
} from './gateway/web-socket-upgrade.ts'
export type { WireConnection } from './gateway/wire-connection.ts'
export type { WireGateway, WireHealth } from './gateway/wire-gateway.ts'
export { wireGateway } from './gateway/wire-gateway.ts'
export type { PolicyName } from './policy/denial.ts'
export type { HeaderPolicyOptions, InjectedHeader } from './policy/header-policy.ts'
export type { PayloadRule } from './policy/payload-policy.ts'
export type { PermissionPolicyOptions } from './policy/permission-policy.ts'
export type { PolicyOptions } from './policy/policy-options.ts'
export type { RateRule } from './policy/rate-policy.ts'
export type { ResponsePermissionOptions } from './policy/response-permission.ts'
export type { RefusableVerb, VerbRule } from './policy/verb-policy.ts'
