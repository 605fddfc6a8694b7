// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod'
import { configSchema } from './schema.ts'
import type { ConfigPath } from './tree.ts'

/** The part of JSON Schema that the configuration's own schema uses. */
export interface JsonSchema {
  readonly $schema?: string
  /** Names one of the schemas in `$defs` of the whole. */
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
  readonly title?: string
  readonly description?: string
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly additionalProperties?: boolean | JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly writeOnly?: boolean
}

let schema: JsonSchema | undefined

/** The JSON Schema (2020-12) of a configuration file, made from the one definition in `schema.ts`. */
export function configJsonSchema(): JsonSchema {
  schema ??= { title: 'nats-edge configuration', ...toJsonSchema() }
  return schema
}

function toJsonSchema(): JsonSchema {
  // The JSON form of a plain schema is plain data of exactly this shape.
  return JSON.parse(JSON.stringify(z.toJSONSchema(configSchema, { io: 'input' }))) as JsonSchema
}

const found = new Map<string, readonly JsonSchema[]>()
const maxFound = 1000

/** Finds every schema that may describe the value at `path`; several where a union stands. */
function schemasAt(path: ConfigPath): readonly JsonSchema[] {
  const last = path.at(-1)
  if (last === undefined) return alternatives(configJsonSchema())
  const name = JSON.stringify(path)
  const known = found.get(name)
  if (known !== undefined) return known
  const schemas = schemasAt(path.slice(0, -1)).flatMap((each) => childSchemas(each, last))
  // Paths come from files too: what somebody wrote by mistake must not stay for ever.
  if (found.size < maxFound) found.set(name, schemas)
  return schemas
}

/** The names a map at `path` may have. */
export function keysAt(path: ConfigPath): readonly string[] {
  return schemasAt(path).flatMap((each) => Object.keys(each.properties ?? {}))
}

/** Tells whether the value at `path`, or something around it, is a secret. */
export function isSecret(path: ConfigPath): boolean {
  return path.some((_, index) => schemasAt(path.slice(0, index + 1)).some((each) => each.writeOnly === true))
}

/** The JSON types a value at `path` may have. */
export function typesAt(path: ConfigPath): ReadonlySet<string> {
  const types = new Set<string>()
  for (const each of schemasAt(path)) for (const type of typesOf(each)) types.add(type)
  return types
}

function typesOf(each: JsonSchema): readonly string[] {
  if (typeof each.type === 'string') return [each.type]
  if (each.type !== undefined) return each.type
  return (each.enum ?? (each.const === undefined ? [] : [each.const])).map((value) => typeof value)
}

function childSchemas(parent: JsonSchema, step: string | number): readonly JsonSchema[] {
  if (typeof step === 'number') return parent.items === undefined ? [] : alternatives(parent.items)
  const property = Object.hasOwn(parent.properties ?? {}, step) ? parent.properties?.[step] : undefined
  if (property !== undefined) return alternatives(property)
  return typeof parent.additionalProperties === 'object' ? alternatives(parent.additionalProperties) : []
}

/** The schema itself where only its name stands. */
export function resolveSchema(each: JsonSchema): JsonSchema {
  const named = configJsonSchema().$defs?.[each.$ref?.replace('#/$defs/', '') ?? '']
  if (named === undefined) return each
  const { $ref: _ref, ...own } = each
  return { ...named, ...own }
}

function alternatives(named: JsonSchema): readonly JsonSchema[] {
  const each = resolveSchema(named)
  const inner = (each.anyOf ?? each.oneOf)?.flatMap(alternatives)
  if (inner === undefined) return [each]
  return each.writeOnly === true ? inner.map((one) => ({ ...one, writeOnly: true })) : inner
}
