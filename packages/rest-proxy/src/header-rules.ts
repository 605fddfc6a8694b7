// SPDX-License-Identifier: Apache-2.0
import { parseTemplate, type Template, type TemplateValues } from '@nats-edge/wire-parser'
import { headerValue, isHeaderName } from './header-value.ts'
import { checkKeys, show } from './option-check.ts'

/** Which headers cross the border, in one direction; names are compared without case. */
export interface HeaderRules {
  /**
   * Names that may pass, `X-*` for all that begin so, `*` for all. The envelopes `headers` and `publish` add them to
   * their own list; `nats-proxy`, which passes everything, passes only these.
   */
  readonly allow?: readonly string[]
  /** Names that never pass, before anything else is looked at. */
  readonly drop?: readonly string[]
  /** Headers that are always there; values may hold `{{id}}`, `{{name}}`, `{{ip}}` and `{{claim.x}}`. */
  readonly set?: Readonly<Record<string, string>>
  /** Names that pass under another name. */
  readonly rename?: Readonly<Record<string, string>>
}

/** What an envelope passes of itself, and what no rule can make it pass. */
export interface HeaderPolicy {
  /** Lower-case names, or everything. */
  readonly base: ReadonlySet<string> | 'all'
  /** Lower-case names that pass only where a rule names them in full. */
  readonly onlyByName: ReadonlySet<string>
  isForbidden(lowerName: string): boolean
  /** How a name is written on the other side. */
  spell(name: string): string
}

interface SetHeader {
  readonly name: string
  readonly template: Template
}

const maxMemoised = 500
const maxMemoisedLength = 64

/** Header rules of one route and direction, decided once per spelling of a name. */
export class HeaderFilter {
  readonly #policy: HeaderPolicy
  readonly #names: ReadonlySet<string>
  readonly #prefixes: readonly string[]
  readonly #narrowed: boolean
  readonly #drop: ReadonlySet<string>
  readonly #rename: ReadonlyMap<string, string>
  readonly #set: readonly SetHeader[]
  readonly #memo = new Map<string, string | undefined>()

  constructor(where: string, policy: HeaderPolicy, rules: HeaderRules = {}) {
    checkKeys(where, rules, ['allow', 'drop', 'set', 'rename'])
    const allow = checkNames(`${where}.allow`, rules.allow)
    this.#policy = policy
    this.#names = new Set(allow.filter((name) => !name.endsWith('*')))
    this.#prefixes = allow.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
    this.#narrowed = rules.allow !== undefined && policy.base === 'all'
    this.#rename = this.#checkRename(`${where}.rename`, rules.rename ?? {})
    this.#set = this.#checkSet(`${where}.set`, rules.set ?? {})
    const replaced = this.#set.map(({ name }) => name.toLowerCase())
    this.#drop = new Set([...checkNames(`${where}.drop`, rules.drop), ...replaced])
    this.#checkForbidden(where)
  }

  /** The name under which a header passes, or undefined where it does not. */
  target(name: string): string | undefined {
    const known = this.#memo.get(name)
    if (known !== undefined || this.#memo.has(name)) return known
    const target = this.#decide(name.toLowerCase(), name)
    // A flood of made-up names costs one refill, never memory.
    if (this.#memo.size >= maxMemoised) this.#memo.clear()
    if (name.length <= maxMemoisedLength) this.#memo.set(name, target)
    return target
  }

  /** The fixed headers with the caller's values; one whose value the caller lacks is left out. Values are latin1. */
  fixed(values: () => TemplateValues): readonly string[] {
    const flat: string[] = []
    for (const { name, template } of this.#set) {
      const text = template.fillText(values())
      if (text !== undefined) flat.push(name, headerValue(text))
    }
    return flat
  }

  get hasFixed(): boolean {
    return this.#set.length > 0
  }

  #decide(lower: string, name: string): string | undefined {
    if (!isHeaderName(name) || this.#policy.isForbidden(lower) || this.#drop.has(lower)) return undefined
    const renamed = this.#rename.get(lower)
    if (renamed !== undefined) return renamed
    if (this.#names.has(lower)) return this.#policy.spell(name)
    // Proxies disagree whether X_Real_Ip is X-Real-Ip, so such a name passes only where somebody asked for it.
    if (this.#policy.onlyByName.has(lower) || lower.includes('_')) return undefined
    const passes = this.#narrowed ? this.#matchesPrefix(lower) : this.#inBase(lower) || this.#matchesPrefix(lower)
    return passes ? this.#policy.spell(name) : undefined
  }

  #inBase(lower: string): boolean {
    return this.#policy.base === 'all' || this.#policy.base.has(lower)
  }

  #matchesPrefix(lower: string): boolean {
    return this.#prefixes.some((prefix) => lower.startsWith(prefix))
  }

  #checkRename(where: string, rename: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
    const map = new Map<string, string>()
    for (const [from, to] of Object.entries(rename)) {
      if (!isHeaderName(from) || typeof to !== 'string' || !isHeaderName(to)) {
        throw new TypeError(`${where} must map header names to header names, not ${show(from)} to ${show(to)}`)
      }
      if (this.#policy.isForbidden(to.toLowerCase())) throw new TypeError(`${where} cannot produce the header "${to}"`)
      map.set(from.toLowerCase(), to)
    }
    return map
  }

  #checkSet(where: string, set: Readonly<Record<string, string>>): SetHeader[] {
    return Object.entries(set).map(([name, value]) => {
      if (!isHeaderName(name) || typeof value !== 'string') {
        throw new TypeError(`${where} must map header names to texts, not ${show(name)} to ${show(value)}`)
      }
      if (isFraming(name.toLowerCase())) throw new TypeError(`${where} cannot set "${name}", the proxy does`)
      const template = parseTemplate(value)
      if (template.names.length > 0) {
        throw new TypeError(
          `${where}["${name}"] takes {{id}}, {{name}}, {{ip}} and {{claim.x}}, not {${template.names[0]}}`,
        )
      }
      return { name, template }
    })
  }

  #checkForbidden(where: string): void {
    for (const name of [...this.#names, ...this.#rename.keys()]) {
      if (this.#policy.isForbidden(name)) throw new TypeError(`${where} cannot let the header "${name}" pass`)
    }
  }
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Headers that belong to one connection and never travel. */
function isHopByHop(lowerName: string): boolean {
  return hopByHop.has(lowerName) || lowerName.startsWith('proxy-')
}

/** Headers that say where a message begins and ends. */
export function isFraming(lowerName: string): boolean {
  return isHopByHop(lowerName) || lowerName === 'content-length'
}

function checkNames(where: string, names: readonly string[] | undefined): string[] {
  if (names === undefined) return []
  if (!Array.isArray(names)) throw new TypeError(`${where} must be a list of header names, not ${show(names)}`)
  return names.map((name: unknown) => {
    if (typeof name !== 'string' || !isHeaderName(name) || name.slice(0, -1).includes('*')) {
      throw new TypeError(`${where} must be a list of header names, not ${show(name)}`)
    }
    return name.toLowerCase()
  })
}
