// SPDX-License-Identifier: Apache-2.0
export type { Admission, Permit, Refusal } from './admission.ts'
export { isRefusal } from './admission.ts'
export type { Authorize, AuthorizeAction, AuthorizeContext } from './authorize.ts'
export { isAllowed } from './authorize.ts'
export type { BusErrorCode } from './bus-error.ts'
export { BusError } from './bus-error.ts'
export type { Connect, ConnectFault, ConnectPermission, ServerInfo } from './connect-json.ts'
export { connectDefaults, connectFault, decodeConnect, decodeInfo } from './connect-json.ts'
export { controlLineRoom, encodeOperation, operationRoom, writeControlLine, writeOperation } from './encode.ts'
export { encodeHeaderLines, HeaderBlock, HeaderWriter } from './headers.ts'
export type { JsonChange } from './json-patch.ts'
export { patchJson } from './json-patch.ts'
export type { SubjectFault, SubjectLimits } from './limits.ts'
export type {
  Bus,
  BusInfo,
  BusMessage,
  BusStatus,
  Pending,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
} from './message-bus.ts'
export type { HistogramValue, MetricFamily, MetricSample } from './metric.ts'
export { durationBoundsSeconds, Histogram } from './metric.ts'
export type { Operation, OperationView, VerbCode } from './operation.ts'
export { Verb, verbName } from './operation.ts'
export { parseOperations } from './parse-operations.ts'
export type { ParserOptions, ParserSink } from './parser-sink.ts'
export { Parser } from './parser.ts'
export type { Pattern } from './pattern.ts'
export { isReserved, isSubset, matches, overlaps, parsePattern } from './pattern.ts'
export type { Coverage } from './permission-section.ts'
export type { Action, AllowDeny, PermissionRules, Permissions } from './permissions.ts'
export { compilePermissions } from './permissions.ts'
export type { NatsCredentials, Principal } from './principal.ts'
export type { Subject } from './subject.ts'
export { isToken, parseSubject, subjectFault, subjectFromTokens } from './subject.ts'
export type { Template } from './template.ts'
export { parseTemplate } from './template.ts'
export type { TemplateValues } from './template-values.ts'
export { LruMap } from './lru-map.ts'
export type { TakenToken, TokenBucketOptions, TokenBucketTableOptions } from './token-bucket.ts'
export { TokenBucket, TokenBucketTable } from './token-bucket.ts'
export { encodeToken } from './token-encoding.ts'
export type { Side } from './verb-table.ts'
export type { WireErrorCode, WireErrorOptions } from './wire-error.ts'
export { WireError } from './wire-error.ts'
export type { WireLimits } from './wire-limits.ts'
