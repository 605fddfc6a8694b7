// SPDX-License-Identifier: Apache-2.0
import {
  encodeToken,
  isToken,
  parseSubject,
  parseTemplate,
  subjectFault,
  type Subject,
  type SubjectLimits,
  type Template,
  type TemplateValues,
} from '@nats-edge/wire-parser'
import { flag, word } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'

/**
 * Where a request goes. In a template `{name}` stands for a parameter of the path, else for `key` (the key of the
 * request), `match` (what the wildcards of the route stand for), else for a member of the message; `{name*}`, last,
 * for as many tokens as the value has. `{{id}} {{name}} {{ip}} {{claim.x}}` are of the principal.
 */
export type SubjectSource<U> = string | ((request: WsRequest<U>) => string)

export interface SubjectRules {
  /** Lets the subject begin with `$` or `_`, where the server's own subjects are. Default false. */
  readonly dangerouslyAllowReserved?: boolean | undefined
  /** Writes values of the path and the message so that any text is one token. Default: what is not one token is refused. */
  readonly encode?: 'base32hex' | 'base64url' | undefined
}

/** Finds the subject of a request; throws WsError where it gives none. */
export type RequestSubject<U> = (request: WsRequest<U>) => Subject

type RequestValue = string | readonly string[] | undefined

/** Checks a source once; throws TypeError for what could never be a subject. */
export function requestSubject<U>(where: string, source: SubjectSource<U>, rules: SubjectRules): RequestSubject<U> {
  const allowsReserved = flag(`${where}.dangerouslyAllowReserved`, rules.dangerouslyAllowReserved ?? false)
  if (rules.encode !== undefined) word(`${where}.encode`, rules.encode, ['base32hex', 'base64url'])
  if (typeof source === 'function') {
    const limits: SubjectLimits = { reserved: allowsReserved ? 'allow' : 'refuse' }
    return (request) => checkedSubject(source(request), limits)
  }
  if (typeof source !== 'string') throw new TypeError(`${where}.subject: is neither a template nor a function`)
  return templateSubject(where, source, { ...rules, dangerouslyAllowReserved: allowsReserved })
}

function templateSubject<U>(where: string, source: string, rules: SubjectRules): RequestSubject<U> {
  const template = parseTemplate(source)
  const isReserved = /^[$_]/.test(source)
  if (isReserved && rules.dangerouslyAllowReserved !== true) {
    throw new TypeError(
      `${where}.subject: ${JSON.stringify(source)} begins with "$" or "_"; set dangerouslyAllowReserved to allow it`,
    )
  }
  // Only a first token that was written out may be reserved, never one that a client fills in.
  const limits: SubjectLimits = { reserved: isReserved ? 'allow' : 'refuse' }
  const sample = template.fill(sampleValues(template), limits)
  if (sample === undefined) throw new TypeError(`${where}.subject: ${JSON.stringify(source)} gives no NATS subject`)
  if (template.names.length === 0 && template.principalNames.length === 0) return () => sample
  return (request) => {
    const values = requestValues(request, template, rules)
    return template.fill(values, limits) ?? refuse(request, template, { values, limits })
  }
}

function sampleValues({ names, source, principalNames }: Template): TemplateValues {
  const request = new Map(names.map((name) => [name, source.includes(`{${name}*}`) ? ['x'] : 'x']))
  const claims = Object.fromEntries(principalNames.map((name) => [name.replace(/^claim\./, ''), 'x']))
  return { request, id: 'x', name: 'x', ip: 'x', claims }
}

/** What the placeholders of a template stand for in a request. */
export function requestValues(
  request: WsRequest,
  template: Template,
  { encode }: Pick<SubjectRules, 'encode'> = {},
): TemplateValues {
  const values = new Map<string, string | readonly string[]>()
  for (const name of template.names) {
    const value = requestValue(request, name, encode)
    if (value !== undefined) values.set(name, value)
  }
  const { principal, ip } = request.connection
  if (principal === undefined) return { request: values, ip }
  return { request: values, ip, id: principal.id, name: principal.name, claims: principal.claims }
}

function requestValue(request: WsRequest, name: string, encode: SubjectRules['encode']): RequestValue {
  const { params } = request.connection
  if (Object.hasOwn(params, name)) return encoded(params[name], encode)
  if (name === 'key') return tokensOf(request.key.split('.'))
  if (name === 'match') return tokensOf(request.params.flatMap((param) => param.split('.')))
  return encoded(memberText(request.data, name), encode)
}

function tokensOf(tokens: readonly string[]): RequestValue {
  return tokens.length === 1 ? tokens[0] : tokens
}

function encoded(text: string | undefined, encode: SubjectRules['encode']): string | undefined {
  return text === undefined || encode === undefined ? text : encodeToken(text, encode)
}

function memberText(data: unknown, name: string): string | undefined {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, name)) return undefined
  const value: unknown = Reflect.get(data, name)
  if (typeof value === 'string') return value
  return Number.isSafeInteger(value) ? String(value) : undefined
}

/** Says what was wrong; only asked once something was. */
function refuse(
  { connection }: WsRequest,
  template: Template,
  { values, limits }: { readonly values: TemplateValues; readonly limits: SubjectLimits },
): never {
  for (const name of template.names) {
    const value = values.request?.get(name)
    const isRest = template.source.includes(`{${name}*}`)
    const isFit = typeof value === 'string' ? isToken(value) : isRest && value?.every(isToken) === true
    if (!isFit) throw new WsError('invalid_params', { message: `the value of "${name}" is not one token of a subject` })
  }
  const text = template.fillText(values)
  const fault = text === undefined ? 'invalid' : subjectFault(text, limits)
  if (fault === 'too_long') throw new WsError('invalid_params', { message: 'the values make too long a subject' })
  if (fault === 'reserved') throw new WsError('reserved_subject')
  const needsPrincipal = template.principalNames.some((name) => name !== 'ip')
  if (needsPrincipal && connection.principal === undefined) throw new WsError('unauthorized')
  throw new WsError('forbidden', { message: 'the identity of the client cannot be part of a subject' })
}

function checkedSubject(text: string, limits: SubjectLimits): Subject {
  const subject = typeof text === 'string' ? parseSubject(text, limits) : undefined
  if (subject !== undefined) return subject
  if (typeof text === 'string' && subjectFault(text, limits) === 'reserved') throw new WsError('reserved_subject')
  throw new WsError('invalid_params', { message: 'the message names no subject' })
}
