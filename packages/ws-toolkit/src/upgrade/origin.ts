// SPDX-License-Identifier: Apache-2.0
import { domainToASCII } from 'node:url'

/**
 * Which pages of other sites may open a socket: none (`same`), all (`*`), or a list of `https://app.example.com`,
 * `https://*.example.com` (one label) and the same without a scheme (http and https). The own origin always may.
 */
export type Origins = 'same' | '*' | readonly string[]

/** What happens without an Origin header, as from anything but a browser: `no-cookie` admits it only without Cookie. */
export type MissingOrigin = 'no-cookie' | 'deny' | 'allow'

interface OriginPattern {
  /** Undefined: http and https. */
  readonly scheme: string | undefined
  /** With a leading `.` where the entry began with `*.`. */
  readonly host: string
  readonly wildcard: boolean
  /** Undefined: the default port of the scheme. */
  readonly port: string | undefined
}

const originSyntax = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\*\.)?(\[[0-9a-f:.]+\]|[^/:@?#*[\]\s\\%]+)(?::(\d{1,5}))?$/i
const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443', ws: '80', wss: '443' }

const parsedLists = new WeakMap<readonly string[], readonly OriginPattern[]>()

/**
 * Decides by the Origin header whether the page that sent the request may: cookies count only after this said yes.
 * Throws TypeError for an entry of `origins` that is not an origin.
 */
export function originAllowed(
  request: Request,
  origins: Origins = 'same',
  missingOrigin: MissingOrigin = 'no-cookie',
): boolean {
  const header = request.headers.get('origin')
  if (header === null)
    return missingOrigin === 'allow' || (missingOrigin === 'no-cookie' && !request.headers.has('cookie'))
  if (origins === '*') return true
  const origin = parseOrigin(header)
  if (origin === undefined || origin.scheme === undefined || origin.wildcard) return false
  if (isOwnOrigin(origin, request.url)) return true
  if (origins === 'same') return false
  return originPatterns(origins).some((pattern) => matchesOrigin(pattern, origin))
}

/** Checks a list once, at mount; throws TypeError naming the entry that is not an origin. */
export function originPatterns(origins: readonly string[]): readonly OriginPattern[] {
  let patterns = parsedLists.get(origins)
  if (patterns === undefined) {
    patterns = origins.map((entry) => {
      const pattern = parseOrigin(entry)
      if (pattern !== undefined) return pattern
      throw new TypeError(
        `origins: ${JSON.stringify(entry)} is not an origin; write https://app.example.com, https://*.example.com, or origins: '*'`,
      )
    })
    parsedLists.set(origins, patterns)
  }
  return patterns
}

function parseOrigin(text: string): OriginPattern | undefined {
  const parts = originSyntax.exec(text)
  const host = parts?.[3] === undefined ? '' : asciiHost(parts[3])
  // `null` is what sandboxed frames, files and redirects send: nobody in particular.
  if (parts === null || host === '' || text === 'null') return undefined
  const scheme = parts[1]?.toLowerCase()
  const port = parts[4] === undefined || Number(parts[4]) > 65_535 ? undefined : String(Number(parts[4]))
  if (parts[4] !== undefined && port === undefined) return undefined
  const isDefault = scheme !== undefined && port === defaultPorts[scheme]
  const wildcard = parts[2] !== undefined
  return { scheme, host: wildcard ? `.${host}` : host, wildcard, port: isDefault ? undefined : port }
}

function asciiHost(host: string): string {
  return host.startsWith('[') ? host.toLowerCase() : domainToASCII(host)
}

function isOwnOrigin(origin: OriginPattern, url: string): boolean {
  const own = new URL(url)
  return `${origin.scheme}:` === own.protocol && origin.host === own.hostname && (origin.port ?? '') === own.port
}

function matchesOrigin(pattern: OriginPattern, origin: OriginPattern): boolean {
  const sameScheme =
    pattern.scheme === undefined ? /^https?$/.test(origin.scheme ?? '') : pattern.scheme === origin.scheme
  if (!sameScheme || pattern.port !== origin.port) return false
  if (!pattern.wildcard) return pattern.host === origin.host
  // One label, as in a certificate: `*.example.com` does not hold `a.b.example.com`.
  const label = origin.host.length - pattern.host.length
  return label > 0 && origin.host.endsWith(pattern.host) && !origin.host.slice(0, label).includes('.')
}
