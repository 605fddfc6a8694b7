// SPDX-License-Identifier: Apache-2.0
import type { Middleware, Reply } from '../chain.ts'
import { isPromise } from '../promise.ts'
import { isStream } from '../request-stream.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'

/** What zod, valibot, arktype and others implement alike (Standard Schema 1). */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export interface ValidateOptions {
  /** Holds `request.data`; what it gives becomes the data. Failure: `invalid_params`, with paths and messages. */
  readonly input?: StandardSchema
  /** Holds every answer; what it gives is sent. Failure: `internal`, because it is ours. */
  readonly output?: StandardSchema
}

const maxIssues = 20

/** Checks what a route takes and gives. */
export function validate<U>({ input, output }: ValidateOptions): Middleware<U> {
  if (input === undefined && output === undefined) throw new TypeError('validate: give input, output or both')
  checkSchema('input', input)
  checkSchema('output', output)

  return (request, next) => {
    const answered = output === undefined ? request : checkingReplies(request, output)
    if (input === undefined) return after(next(answered), output)
    const result = input['~standard'].validate(request.data)
    // oxlint-disable-next-line promise/no-callback-in-promise -- the rest of the chain is what comes after
    if (isPromise(result)) return result.then((late) => after(next(accepted(answered, late)), output))
    return after(next(accepted(answered, result)), output)
  }
}

function accepted<U>(request: WsRequest<U>, result: SchemaResult<unknown>): WsRequest<U> {
  if (result.issues === undefined) return request.with({ data: result.value })
  const issues = result.issues.slice(0, maxIssues).map(({ message, path }) => ({ path: pathOf(path), message }))
  throw new WsError('invalid_params', { details: { issues } })
}

function after(reply: Reply, output: StandardSchema | undefined): Reply {
  if (output === undefined) return reply
  return isPromise(reply) ? reply.then((value) => checked(value, output)) : checked(reply, output)
}

function checked(value: Reply, output: StandardSchema): Reply {
  // No answer is none, whatever the schema says.
  if (value === undefined) return undefined
  if (isStream(value)) return checkedStream(value, output)
  const result = output['~standard'].validate(value)
  return isPromise(result) ? result.then(sendable) : sendable(result)
}

async function* checkedStream(stream: AsyncIterable<unknown>, output: StandardSchema): AsyncGenerator {
  for await (const value of stream) yield await checked(value, output)
}

/** Answers beside the last one are sent at once, so a schema that takes its time cannot hold them. */
function checkingReplies<U>(request: WsRequest<U>, output: StandardSchema): WsRequest<U> {
  return request.with({
    reply: (value, options) => {
      const result = output['~standard'].validate(value)
      if (isPromise(result)) throw new TypeError('validate: request.reply() needs a schema that answers at once')
      return request.reply(sendable(result), options)
    },
  })
}

function sendable(result: SchemaResult<unknown>): unknown {
  if (result.issues === undefined) return result.value
  const cause = result.issues.map(({ message, path }) => `${pathOf(path).join('.')}: ${message}`).join('; ')
  throw new WsError('internal', { cause: new TypeError(`validate: the answer does not fit its schema: ${cause}`) })
}

function pathOf(path: SchemaIssue['path']): (string | number)[] {
  return (path ?? []).map((step) => {
    const key = typeof step === 'object' ? step.key : step
    return typeof key === 'number' ? key : String(key)
  })
}

function checkSchema(name: string, schema: StandardSchema | undefined): void {
  if (schema === undefined || typeof schema['~standard']?.validate === 'function') return
  throw new TypeError(`validate: ${name} is no Standard Schema`)
}
