// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'

// A second implementation, written from the format's description alone and driven by the shipped nats-proxy.proto: slow,
// plain, with BigInt varints and arrays of bytes, so that it shares no idea and no fault with the one under test.

interface Field {
  readonly name: string
  readonly type: string
  readonly repeated: boolean
}

type Message = ReadonlyMap<number, Field>
export type Schema = ReadonlyMap<string, Message>
export type Fields = { [name: string]: FieldValue }
type FieldValue = string | number | boolean | Fields | FieldValue[]

export function shippedSchema(): Schema {
  return parseSchema(readFileSync(new URL('../../nats-proxy.proto', import.meta.url), 'utf8'))
}

const fieldLine = /^\s*(repeated )?(map<\w+, \w+>|\w+) (\w+) = (\d+);/gm

function parseSchema(source: string): Schema {
  const schema = new Map<string, Map<number, Field>>()
  const text = source.replace(/\/\/.*/g, '')
  for (const [, name = '', body = ''] of text.matchAll(/message (\w+) \{([^}]*)\}/g)) {
    const fields = new Map<number, Field>()
    schema.set(name, fields)
    for (const [, repeated, type = '', field = '', number] of body.matchAll(fieldLine)) {
      const map = /^map<(\w+), (\w+)>$/.exec(type)
      if (map === null) {
        fields.set(Number(number), { name: field, type, repeated: repeated !== undefined })
        continue
      }
      const entry = `${name}.${field}`
      fields.set(Number(number), { name: field, type: entry, repeated: true })
      schema.set(
        entry,
        new Map([
          [1, { name: 'key', type: map[1] ?? '', repeated: false }],
          [2, { name: 'value', type: map[2] ?? '', repeated: false }],
        ]),
      )
    }
  }
  return schema
}

/** Decodes with BigInt varints; throws RangeError for anything malformed. */
export function referenceDecode(schema: Schema, type: string, bytes: readonly number[]): Fields {
  const fields = schema.get(type) ?? new Map<number, Field>()
  const result: Fields = {}
  let rest = [...bytes]
  while (rest.length > 0) {
    const [tag, afterTag] = takeVarint(rest)
    const number = Number(tag >> 3n)
    if (number === 0 || tag > 0xffffffffn) throw new RangeError('field number')
    const [raw, afterValue] = takeValue(Number(tag & 7n), afterTag)
    rest = afterValue
    const field = fields.get(number)
    if (field === undefined || Number(tag & 7n) !== (field.type === 'int32' || field.type === 'bool' ? 0 : 2)) continue
    put(result, field, interpret(schema, field, raw))
  }
  return result
}

function put(result: Fields, field: Field, value: FieldValue): void {
  const before = result[field.name]
  if (field.repeated) result[field.name] = [...(Array.isArray(before) ? before : []), value]
  else if (isFields(before) && isFields(value)) merge(before, value)
  else result[field.name] = value
}

// A message field that comes twice is merged: its lists are joined.
function merge(into: Fields, from: Fields): void {
  for (const [name, value] of Object.entries(from)) {
    const before = into[name]
    into[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value
  }
}

function isFields(value: FieldValue | undefined): value is Fields {
  return typeof value === 'object' && !Array.isArray(value)
}

function interpret(schema: Schema, field: Field, raw: bigint | number[]): FieldValue {
  if (typeof raw === 'bigint') return field.type === 'bool' ? raw !== 0n : Number(BigInt.asIntN(32, raw))
  if (schema.has(field.type)) return referenceDecode(schema, field.type, raw)
  return String.fromCharCode(...raw)
}

function takeVarint(bytes: readonly number[]): [bigint, number[]] {
  let value = 0n
  for (const [index, byte] of bytes.entries()) {
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte >= 0x80) {
      if (index === 9) break
      continue
    }
    if (value >= 1n << 64n) break
    return [value, bytes.slice(index + 1)]
  }
  throw new RangeError('varint')
}

function takeValue(wireType: number, bytes: readonly number[]): [bigint | number[], number[]] {
  if (wireType === 0) return takeVarint(bytes)
  if (wireType === 1) return take(8, bytes)
  if (wireType === 5) return take(4, bytes)
  if (wireType !== 2) throw new RangeError('wire type')
  const [length, rest] = takeVarint(bytes)
  return take(Number(length), rest)
}

function take(count: number, bytes: readonly number[]): [number[], number[]] {
  if (count > bytes.length) throw new RangeError('length')
  return [bytes.slice(0, count), bytes.slice(count)]
}

/** Encodes the named fields in the order in which the object has them. */
export function referenceEncode(schema: Schema, type: string, fields: Fields): number[] {
  const numbers = new Map([...(schema.get(type) ?? [])].map(([number, field]) => [field.name, { number, field }]))
  return Object.entries(fields).flatMap(([name, value]) => {
    const known = numbers.get(name)
    if (known === undefined) throw new TypeError(`${type} has no field ${name}`)
    return (Array.isArray(value) ? value : [value]).flatMap((each) =>
      encodeField(schema, known.number, known.field.type, each),
    )
  })
}

function encodeField(schema: Schema, number: number, type: string, value: FieldValue): number[] {
  if (typeof value === 'number' || typeof value === 'boolean') {
    return [...putVarint(BigInt(number * 8)), ...putVarint(BigInt.asUintN(64, BigInt(value)))]
  }
  const bytes = isFields(value)
    ? referenceEncode(schema, type, value)
    : Array.from(String(value), (char) => char.charCodeAt(0))
  return [...putVarint(BigInt(number * 8 + 2)), ...putVarint(BigInt(bytes.length)), ...bytes]
}

function putVarint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return [...bytes, Number(rest)]
}
