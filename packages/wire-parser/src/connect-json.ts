// SPDX-License-Identifier: Apache-2.0
import { decodeFields, type FieldKind, foldKey } from './json-fields.ts'
import { scanObject } from './json-scan.ts'

/** Which subjects a leaf node imports or exports, as CONNECT may say it. */
export interface ConnectPermission {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

/** What a CONNECT says; a field that it leaves out, or sets to null, stays as it was. */
export interface Connect {
  readonly verbose?: boolean
  readonly pedantic?: boolean
  readonly echo?: boolean
  readonly tls_required?: boolean
  readonly nkey?: string
  readonly jwt?: string
  readonly sig?: string
  readonly auth_token?: string
  readonly user?: string
  readonly pass?: string
  readonly name?: string
  readonly lang?: string
  readonly version?: string
  readonly protocol?: number
  readonly account?: string
  readonly new_account?: boolean
  readonly headers?: boolean
  readonly no_responders?: boolean
  readonly proxy_sig?: string
  readonly remote_account?: string
  readonly import?: ConnectPermission
  readonly export?: ConnectPermission
}

/** What holds before the first CONNECT: merge each one over what was before. */
export const connectDefaults: Connect = { verbose: true, pedantic: true, echo: true }

const connectKinds: Readonly<Record<keyof Connect, FieldKind>> = {
  verbose: 'boolean',
  pedantic: 'boolean',
  echo: 'boolean',
  tls_required: 'boolean',
  nkey: 'string',
  jwt: 'string',
  sig: 'string',
  auth_token: 'string',
  user: 'string',
  pass: 'string',
  name: 'string',
  lang: 'string',
  version: 'string',
  protocol: 'integer',
  account: 'string',
  new_account: 'boolean',
  headers: 'boolean',
  no_responders: 'boolean',
  proxy_sig: 'string',
  remote_account: 'string',
  import: 'permissions',
  export: 'permissions',
}

/** What an INFO says to clients; a server that does not know a field leaves it out. */
export interface ServerInfo {
  readonly server_id?: string
  readonly server_name?: string
  readonly version?: string
  readonly proto?: number
  readonly git_commit?: string
  readonly go?: string
  readonly host?: string
  readonly port?: number
  readonly headers?: boolean
  readonly auth_required?: boolean
  readonly tls_required?: boolean
  readonly tls_verify?: boolean
  readonly tls_available?: boolean
  readonly max_payload?: number
  readonly jetstream?: boolean
  readonly ip?: string
  /** Beyond 2^53 on a busy server, so no number. */
  readonly client_id?: bigint
  readonly client_ip?: string
  readonly nonce?: string
  readonly cluster?: string
  readonly cluster_dynamic?: boolean
  readonly domain?: string
  readonly connect_urls?: readonly string[]
  readonly ws_connect_urls?: readonly string[]
  readonly ldm?: boolean
  readonly compression?: string
  readonly connect_info?: boolean
  readonly remote_account?: string
  readonly acc_is_sys?: boolean
  readonly api_lvl?: number
  readonly xkey?: string
}

const infoKinds: Readonly<Record<keyof ServerInfo, FieldKind>> = {
  server_id: 'string',
  server_name: 'string',
  version: 'string',
  proto: 'integer',
  git_commit: 'string',
  go: 'string',
  host: 'string',
  port: 'integer',
  headers: 'boolean',
  auth_required: 'boolean',
  tls_required: 'boolean',
  tls_verify: 'boolean',
  tls_available: 'boolean',
  max_payload: 'integer',
  jetstream: 'boolean',
  ip: 'string',
  client_id: 'unsigned',
  client_ip: 'string',
  nonce: 'string',
  cluster: 'string',
  cluster_dynamic: 'boolean',
  domain: 'string',
  connect_urls: 'strings',
  ws_connect_urls: 'strings',
  ldm: 'boolean',
  compression: 'string',
  connect_info: 'boolean',
  remote_account: 'string',
  acc_is_sys: 'boolean',
  api_lvl: 'integer',
  xkey: 'string',
}

/**
 * Reads the JSON of a CONNECT as the server does: keys in any case, the last of equal ones wins. Undefined where the server
 * closes the connection without a word: bad JSON, no object, a known field of another type.
 */
export function decodeConnect(json: Uint8Array): Connect | undefined {
  return decodeFields(json, connectKinds)
}

/** Reads the JSON of an INFO in the same way. */
export function decodeInfo(json: Uint8Array): ServerInfo | undefined {
  return decodeFields(json, infoKinds)
}

/** Why a CONNECT must not be judged by its fields: another reader could take another value for the same one. */
export type ConnectFault = 'malformed' | 'folded_key' | 'duplicate_key'

/** Looks for keys that the server takes for a known field though they are not spelled like it, or that come twice. */
export function connectFault(json: Uint8Array): ConnectFault | undefined {
  if (decodeConnect(json) === undefined) return 'malformed'
  const seen = new Set<string>()
  for (const { key } of scanObject(json) ?? []) {
    const name = foldKey(key)
    if (!Object.hasOwn(connectKinds, name)) continue
    if (key !== name) return 'folded_key'
    if (seen.has(name)) return 'duplicate_key'
    seen.add(name)
  }
  return undefined
}
