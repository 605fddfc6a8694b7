// SPDX-License-Identifier: Apache-2.0
import { parseTemplate, type Principal, type Template, type TemplateValues } from '@nats-edge/wire-parser'
import { WsError, type WsRequest } from '@nats-edge/ws-toolkit'
import { requestValues } from '@nats-edge/ws-toolkit/nats'

/** Who connects, and by what path. */
export interface Client {
  readonly params: Readonly<Record<string, string>>
  readonly principal: Principal | undefined
  readonly ip: string
}

type Encode = (value: string) => string

/** Makes the function that fills a template from a request; it throws WsError where a value is missing. */
export function requestText(source: string, encode?: Encode): (request: WsRequest) => string {
  const template = parseTemplate(source)
  if (isConstant(template)) return () => source
  return (request) => {
    const text = filled(template, requestValues(request, template), encode)
    return text ?? missing(template, request.connection.principal)
  }
}

/** Makes the function that fills a template from a client alone; it throws WsError where a value is missing. */
export function clientText(source: string, encode?: Encode): (client: Client) => string {
  const template = parseTemplate(source)
  if (isConstant(template)) return () => source
  return ({ params, principal, ip }) => {
    const request = new Map(template.names.flatMap((name) => entryOf(params, name)))
    const { id, name, claims } = principal ?? {}
    const values = { request, ip, ...(id !== undefined && { id }), ...(name !== undefined && { name }) }
    const text = filled(template, { ...values, ...(claims && { claims }) }, encode)
    return text ?? missing(template, principal)
  }
}

function isConstant({ names, principalNames }: Template): boolean {
  return names.length === 0 && principalNames.length === 0
}

function entryOf(params: Client['params'], name: string): [string, string][] {
  const value = Object.hasOwn(params, name) ? params[name] : undefined
  return value === undefined ? [] : [[name, value]]
}

function filled(template: Template, values: TemplateValues, encode: Encode | undefined): string | undefined {
  return template.fillText(encode === undefined ? values : encoded(template, values, encode))
}

function encoded(template: Template, values: TemplateValues, encode: Encode): TemplateValues {
  const request = new Map<string, string | readonly string[]>()
  for (const [name, value] of values.request ?? []) {
    request.set(name, typeof value === 'string' ? encode(value) : value.map((each) => encode(each)))
  }
  const own: Record<string, string> = {}
  const claims: Record<string, string> = {}
  for (const name of template.principalNames) {
    const value = parseTemplate(`{{${name}}}`).fillText(values)
    // A claim of exactly this name comes before one that its dots lead to.
    if (value !== undefined && name.startsWith('claim.')) claims[name.slice('claim.'.length)] = encode(value)
    else if (value !== undefined) own[name] = encode(value)
  }
  return { request, claims, ...own }
}

function missing(template: Template, principal: Principal | undefined): never {
  const needsPrincipal = template.principalNames.some((name) => name !== 'ip')
  if (needsPrincipal && principal === undefined) throw new WsError('unauthorized')
  const names = [...template.names, ...template.principalNames.map((name) => `{${name}}`)]
  throw new WsError('invalid_params', { message: `a value is missing or has another form: ${names.join(', ')}` })
}
