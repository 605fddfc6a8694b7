// SPDX-License-Identifier: Apache-2.0
import { addValue, type Form, mergeForms, parseUrlEncoded } from './form.ts'
import { bytesToText } from './byte-text.ts'
import { parseJson } from './json-body.ts'
import { pathSegments, rawQuery } from './request-path.ts'
import type { RoutePattern } from './route-pattern.ts'
import { ServiceError } from './service-error.ts'
import type { IncomingRequest, ServiceRequest } from './service-request.ts'
import { ServiceResponse } from './service-response.ts'
import { describeIssues, type StandardSchema } from './standard-schema.ts'

const maxFormBytes = 10 * 1024 * 1024
const jsonType = 'application/json; charset=utf-8'
const formType = 'application/x-www-form-urlencoded'

/** One request and its answer. A context is made for one message and shared with no other. */
export class ServiceContext {
  readonly request: ServiceRequest
  readonly response: ServiceResponse = new ServiceResponse()
  readonly #incoming: IncomingRequest
  readonly #pattern: RoutePattern
  #aborted = false
  #segments: string[] | undefined
  #form: Form | undefined

  constructor(incoming: IncomingRequest, pattern: RoutePattern) {
    this.request = incoming
    this.#incoming = incoming
    this.#pattern = pattern
  }

  /** The pattern of the route, as registered. */
  get route(): string {
    return this.#pattern.text
  }

  get aborted(): boolean {
    return this.#aborted
  }

  /** Whether the request is a WebSocket handshake. */
  get isWebSocket(): boolean {
    return this.request.webSocketId !== ''
  }

  /** Names the socket of a WebSocket handshake; empty for any other request. */
  get websocketId(): string {
    return this.request.webSocketId
  }

  /** Ends the chain: neither further middleware nor the handler runs. What is already in `response` is answered. */
  abort(): void {
    this.#aborted = true
  }

  abortWithJSON(value: unknown, status = 500): void {
    this.abort()
    this.json(status, value)
  }

  /** Answers JSON, with its Content-Type unless one is set. Throws TypeError for what JSON cannot hold. */
  json(status: number, value: unknown): void {
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined) throw new TypeError(`c.json(): a ${typeof value} has no JSON`)
    const { response } = this
    response.statusCode = status
    response.body = text
    response.errorAnswer = undefined
    if (!response.headers.has('Content-Type')) response.headers.set('Content-Type', jsonType)
  }

  /**
   * Answers an error: with service error headers in the `headers` envelope, else as a problem document. A code that is
   * no status from 400 to 599 is answered 500. A body may be set afterwards.
   */
  error(code: number, text: string): void {
    const status = code >= 400 && code <= 599 ? code : 500
    this.response.statusCode = status
    this.response.body = ''
    this.response.errorAnswer = { status: code, code: 'service_error', text }
  }

  /** Parses the body as JSON. Throws ServiceError `bad_request`, which is answered 400 unless it is caught. */
  bindJSON(): unknown
  /** Parses the body as JSON and validates it. */
  bindJSON<Output>(schema: StandardSchema<Output>): Promise<Output>
  bindJSON<Output>(schema?: StandardSchema<Output>): unknown {
    return schema === undefined ? parseJson(this.request.body) : this.#bind(schema)
  }

  /** The decoded path segment the pattern names `:name`, or '' if there is none. */
  pathVariable(name: string): string {
    const given = this.#incoming.parameter(name)
    if (given !== undefined) return given
    const index = this.#pattern.names.get(name)
    if (index === undefined) return ''
    this.#segments ??= pathSegments(this.request.url) ?? []
    return this.#segments[index] ?? ''
  }

  /** The first value of a request header, or ''. */
  headerVariable(name: string): string {
    return this.request.headers.get(name) ?? ''
  }

  /**
   * Reads the query and, for POST, PUT and PATCH, an urlencoded body of at most 10 MiB. With another body it throws
   * ServiceError `bad_request`, after the values of the query have been set.
   */
  parseForm(): void {
    const { method, body, url } = this.request
    const query = parseUrlEncoded(rawQuery(url))
    this.#form = query
    if (method !== 'POST' && method !== 'PUT' && method !== 'PATCH') return
    if (body.length === 0) throw new ServiceError('bad_request', 'the form is missing: the body is empty')
    const type = this.headerVariable('Content-Type').split(';', 1)[0]?.trim().toLowerCase()
    if (type !== formType) throw new ServiceError('bad_request', `the body is not ${formType}`)
    if (body.length > maxFormBytes) throw new ServiceError('body_too_large', 'the form is larger than 10 MiB')
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
    this.#form = mergeForms(parseUrlEncoded(text), query)
  }

  /** The first value of a form field after `parseForm()`, the body's before the query's; '' if there is none. */
  formVariable(name: string): string {
    return this.#formFields().get(name)?.[0] ?? ''
  }

  /** All values of a form field after `parseForm()`. */
  formValues(name: string): string[] {
    return [...(this.#formFields().get(name) ?? [])]
  }

  #formFields(): Form {
    this.#form ??= formOf(this.#incoming.form)
    return this.#form
  }

  async #bind<Output>(schema: StandardSchema<Output>): Promise<Output> {
    const result = await schema['~standard'].validate(parseJson(this.request.body))
    if (result.issues === undefined) return result.value
    throw new ServiceError('bad_request', describeIssues(result.issues))
  }
}

function formOf(flat: readonly string[]): Form {
  const form: Form = new Map()
  for (let at = 0; at < flat.length; at += 2)
    addValue(form, bytesToText(flat[at] ?? ''), bytesToText(flat[at + 1] ?? ''))
  return form
}
