// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { encodeHeaderLines } from '../headers.ts'
import { HeaderLines } from './header-lines.ts'
import { checkBoolean, checkKeys, checkTexts, checkWords } from './option-check.ts'

/** What the gateway can say about the sender of a message. */
export type InjectedHeader = 'user' | 'tenant' | 'clientIp' | 'connectionId' | 'time' | 'traceparent'

/** What becomes of the headers of published messages. */
export interface HeaderPolicyOptions {
  /**
   * Names that are removed, without regard to case; one that ends in `*` stands for all that begin so. `Nats-Edge-*` is
   * always removed. Default `Nats-Trace-Dest` and `Nats-Request-Info`.
   */
  readonly strip?: readonly string[]
  /**
   * What is added: `Nats-Edge-User`, `-Tenant` (claim `tenant`), `-Client-Ip`, `-Conn-Id`, `-Time` (RFC 3339), and a
   * `traceparent` where the client sent none. Default none. A PUB becomes an HPUB.
   */
  readonly inject?: readonly InjectedHeader[]
  /** Reports what would be removed and changes nothing. Default false. */
  readonly dryRun?: boolean
}

/** Whom the injected headers are about. */
export interface Sender {
  readonly user: string | undefined
  readonly tenant: string | undefined
  readonly clientIp: string
  readonly connectionId: string
}

const injectable = ['user', 'tenant', 'clientIp', 'connectionId', 'time', 'traceparent'] as const
const ownPrefix = 'nats-edge-'

/** Checked options, shared by all connections. */
export class HeaderPolicy {
  readonly inject: ReadonlySet<InjectedHeader>
  readonly dryRun: boolean
  readonly #names: ReadonlySet<string>
  readonly #prefixes: readonly string[]

  constructor(where: string, options: HeaderPolicyOptions) {
    checkKeys(where, options, ['strip', 'inject', 'dryRun'])
    const strip = checkTexts(`${where}.strip`, options.strip, ['Nats-Trace-Dest', 'Nats-Request-Info'])
    for (const name of strip) {
      if (!/^[!-9;-~]+$/.test(name)) throw new TypeError(`${where}.strip: ${JSON.stringify(name)} is no header name`)
    }
    this.inject = new Set(checkWords(`${where}.inject`, options.inject, injectable, []))
    this.dryRun = checkBoolean(`${where}.dryRun`, options.dryRun, false)
    const lower = strip.map((name) => name.toLowerCase())
    this.#names = new Set(lower.filter((name) => !name.endsWith('*')))
    this.#prefixes = [ownPrefix, ...lower.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))]
  }

  /** Whether a header of this name is removed. */
  strips(name: string): boolean {
    const lower = name.toLowerCase()
    return this.#names.has(lower) || this.#prefixes.some((prefix) => lower.startsWith(prefix))
  }
}

/** The policy for the messages of one connection. */
export class HeaderRewriter {
  readonly #policy: HeaderPolicy
  readonly #constant: Uint8Array

  constructor(policy: HeaderPolicy, sender: Sender) {
    this.#policy = policy
    this.#constant = constantLines(policy, sender)
  }

  /**
   * The new block of a message, undefined where it stays as it is, empty where nothing is left of it. `headers` is empty
   * for a PUB.
   */
  rewrite(headers: Uint8Array): Uint8Array | undefined {
    const { inject, dryRun } = this.#policy
    if (dryRun) return undefined
    const lines = new HeaderLines(headers)
    const isStripped = lines.remove((name) => this.#policy.strips(name)) > 0
    if (!isStripped && inject.size === 0) return undefined
    if (inject.has('time')) lines.add('Nats-Edge-Time', new Date().toISOString())
    if (inject.has('traceparent') && !lines.has('traceparent')) lines.add('traceparent', newTraceparent())
    return lines.block(this.#constant)
  }

  /** How many lines the policy would remove, for one that only reports. */
  wouldRemove(headers: Uint8Array): number {
    return this.#policy.dryRun ? new HeaderLines(headers).remove((name) => this.#policy.strips(name)) : 0
  }
}

function constantLines({ inject }: HeaderPolicy, sender: Sender): Uint8Array {
  const entries: [string, string][] = []
  if (inject.has('user') && sender.user !== undefined) entries.push(['Nats-Edge-User', headerText(sender.user)])
  if (inject.has('tenant') && sender.tenant !== undefined) entries.push(['Nats-Edge-Tenant', headerText(sender.tenant)])
  if (inject.has('clientIp')) entries.push(['Nats-Edge-Client-Ip', sender.clientIp])
  if (inject.has('connectionId')) entries.push(['Nats-Edge-Conn-Id', sender.connectionId])
  return encodeHeaderLines(entries)
}

// A name comes from somebody's identity provider: it may hold anything, but not end the line.
function headerText(text: string): string {
  return text.replaceAll(/[\r\n\0]/g, ' ')
}

// https://www.w3.org/TR/trace-context/#traceparent-header
function newTraceparent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
}
