// SPDX-License-Identifier: Apache-2.0
import type { Principal, Subject, SubjectLimits, Template, TemplateValues } from '@nats-edge/wire-parser'
import { parseSubject, parseTemplate, subjectFault } from '@nats-edge/wire-parser'
import { ProxyError } from './proxy-error.ts'
import { decodePath, type RequestTarget } from './request-target.ts'
import type { PathParams } from './path-params.ts'

/** What a subject is made of. */
export interface SubjectSource {
  readonly method: string
  readonly target: RequestTarget
  readonly params: PathParams | undefined
  readonly principal: Principal | undefined
  readonly ip: string
}

/** How the requests of a route find their subject. */
export interface RouteSubject {
  /** The template, as label of metrics and events. */
  readonly template: string
  /** Throws ProxyError where the request gives no subject. */
  resolve(source: SubjectSource): Subject
}

export interface SubjectRules {
  readonly maxSubjectBytes: number
  readonly maxSubjectTokens: number
  readonly trailingSlash: 'reject' | 'strip'
  readonly dangerouslyAllowReserved: boolean
}

/** The mapping of nats-proxy: `GET /test/1` is `GET:.test.1`; the whole path is decoded before its slashes become dots. */
export function pathSubject(rules: SubjectRules): RouteSubject {
  const limits: SubjectLimits = {
    maxBytes: rules.maxSubjectBytes,
    maxTokens: rules.maxSubjectTokens,
    reserved: 'refuse',
    embeddedWildcards: true,
  }
  return {
    template: '{method}:.{path*}',
    resolve({ method, target }) {
      const path = rules.trailingSlash === 'strip' ? withoutTrailingSlash(target.path) : target.path
      const decoded = target.encoded ? decodePath(path) : path
      if (decoded === undefined) throw badPath('The path holds an escape that is no UTF-8.')
      const text = `${method}:${decoded.replaceAll('/', '.')}`
      const subject = parseSubject(text, limits)
      if (subject === undefined) throw pathFault(text, limits)
      return subject
    },
  }
}

/** A subject from the configuration, with values of the path and of the caller. Throws TypeError at mount. */
export function templateSubject(
  where: string,
  text: string,
  names: readonly string[],
  rules: SubjectRules,
): RouteSubject {
  const template = parseTemplate(text)
  for (const name of template.names) {
    if (name !== 'method' && !names.includes(name)) {
      throw new TypeError(`${where} uses {${name}}, which the path does not have`)
    }
  }
  const limits = templateLimits(where, text, rules)
  if (template.names.length === 0 && template.principalNames.length === 0) {
    return constantSubject(where, text, template, limits)
  }
  checkPlaces(where, template, names, limits)
  return { template: text, resolve: (source) => fill(template, limits, source) }
}

function constantSubject(where: string, text: string, template: Template, limits: SubjectLimits): RouteSubject {
  const subject = template.fill({}, limits)
  if (subject === undefined) throw new TypeError(`${where} ${JSON.stringify(text)} is no literal NATS subject`)
  return { template: text, resolve: () => subject }
}

// Only a first token that the operator wrote out may be reserved, never one that a request fills in.
function templateLimits(where: string, text: string, rules: SubjectRules): SubjectLimits {
  const reserved = /^[$_]/.test(text)
  if (reserved && !rules.dangerouslyAllowReserved) {
    throw new TypeError(
      `${where} ${JSON.stringify(text)} begins with "$" or "_"; set dangerouslyAllowReserved to allow it`,
    )
  }
  return {
    maxBytes: rules.maxSubjectBytes,
    maxTokens: rules.maxSubjectTokens,
    reserved: reserved ? 'allow' : 'refuse',
  }
}

/** Tries the template with harmless values, so that wildcards and empty tokens in it are found at mount. */
function checkPlaces(where: string, template: Template, names: readonly string[], limits: SubjectLimits): void {
  const request = new Map<string, string | readonly string[]>([...names, 'method'].map((name) => [name, 'x']))
  for (const name of template.names) if (template.source.includes(`{${name}*}`)) request.set(name, ['x'])
  const claims = Object.fromEntries(template.principalNames.map((name) => [name.replace(/^claim\./, ''), 'x']))
  const filled = template.fill({ request, id: 'x', name: 'x', ip: 'x', claims }, limits)
  if (filled === undefined) throw new TypeError(`${where} ${JSON.stringify(template.source)} gives no NATS subject`)
}

function fill(template: Template, limits: SubjectLimits, source: SubjectSource): Subject {
  const values = templateValues(source)
  const subject = template.fill(values, limits)
  if (subject !== undefined) return subject
  if (source.principal === undefined && template.principalNames.some((name) => name !== 'ip')) {
    throw new ProxyError('unauthorized')
  }
  // The values of the path are tokens already, so what is missing or no token belongs to the caller.
  const text = template.fillText(values)
  const fault = text === undefined ? 'invalid' : subjectFault(text, limits)
  if (fault === 'too_long') throw new ProxyError('subject_too_long')
  if (fault === 'reserved') throw new ProxyError('reserved_subject')
  throw new ProxyError('forbidden', { detail: "The caller's identity cannot be part of a subject." })
}

/** The values behind the placeholders of subjects and of fixed headers. */
export function templateValues(source: Omit<SubjectSource, 'target'>): TemplateValues {
  const { principal, params, method, ip } = source
  const request = new Map<string, string | readonly string[]>(params?.values)
  request.set('method', method)
  if (principal === undefined) return { request, ip }
  return { request, ip, id: principal.id, name: principal.name, claims: principal.claims }
}

/** The path of a request as the route table sees it, under `trailingSlash: 'strip'`. */
export function withoutTrailingSlash(path: string): string {
  // `/` itself becomes the empty path, whose subject is the method alone.
  return path.endsWith('/') ? path.slice(0, -1) : path
}

function pathFault(text: string, limits: SubjectLimits): ProxyError {
  if (subjectFault(text, limits) === 'too_long') return new ProxyError('subject_too_long')
  if (text.endsWith('.') || text.includes('..')) {
    return new ProxyError('not_found', { detail: 'The path has an empty segment, so no service can receive it.' })
  }
  return badPath('The path holds white space, a control character or a wildcard.')
}

function badPath(detail: string): ProxyError {
  return new ProxyError('bad_request', { detail })
}
