// SPDX-License-Identifier: Apache-2.0
import { EnvelopeError } from './envelope-error.ts'
import { fieldSize, int32Size, ProtobufReader, writeBytes, writeInt32, writeText } from './protobuf.ts'
import { appendEntry, checkEntry, mapSize, readMap, readRepeatedNames, writeMap } from './value-map.ts'

export { EnvelopeError } from './envelope-error.ts'
export { canonicalHeaderName } from './header-name.ts'

/** What a proxy says about one HTTP request. Text is latin1: one char per byte, whatever the bytes mean. */
export interface RequestFields {
  /** The request target as it was sent: percent-encoded, with its query, without scheme and host. */
  readonly url: string
  readonly method: string
  /** `ip:port`, `[::1]:9`. */
  readonly remoteAddr: string
  readonly body: Uint8Array
  /** Name, value, name, value, in order; equal names travel as one map entry, so their values keep their order. */
  readonly headers: readonly string[]
  /** Empty unless the request is a WebSocket handshake. */
  readonly webSocketId: string
}

/** A decoded Request: a view of the bytes it came in, which are read again when `headers` or `form` are asked for. */
export interface DecodedRequest extends RequestFields {
  /** Name, value, name, value. A proxy leaves it empty; programs that send requests themselves may fill it. */
  readonly form: readonly string[]
}

/** What a service answers. Text is latin1 as in `RequestFields`. */
export interface ResponseFields {
  readonly statusCode: number
  readonly headers: readonly string[]
  readonly body: Uint8Array
  readonly doUpgrade: boolean
}

const requestTags = {
  url: 0x0a,
  method: 0x12,
  remoteAddr: 0x1a,
  body: 0x22,
  form: 0x2a,
  header: 0x32,
  webSocketId: 0x3a,
}
const responseTags = { statusCode: 0x08, header: 0x12, body: 0x1a, doUpgrade: 0x20 }

// Which maps a Request has.
const hasForm = 1
const hasHeaders = 2

const none: readonly string[] = []
const noBytes: Uint8Array = new Uint8Array(0)

/** Encodes a Request into one buffer of exactly its size. Empty text is written and an empty body is not, as Go does. */
export function encodeRequest(fields: RequestFields & { readonly form?: readonly string[] }): Uint8Array {
  const { url, method, remoteAddr, body, headers, webSocketId } = fields
  const form = fields.form ?? none
  const size =
    fieldSize(url.length) +
    fieldSize(method.length) +
    fieldSize(remoteAddr.length) +
    (body.length === 0 ? 0 : fieldSize(body.length)) +
    mapSize(form) +
    mapSize(headers) +
    fieldSize(webSocketId.length)
  const target = Buffer.allocUnsafe(size)
  let at = writeText(target, 0, requestTags.url, url)
  at = writeText(target, at, requestTags.method, method)
  at = writeText(target, at, requestTags.remoteAddr, remoteAddr)
  if (body.length > 0) at = writeBytes(target, at, requestTags.body, body)
  if (form.length > 0) at = writeMeasured(target, at, requestTags.form, form, headers)
  at = writeMap(target, at, requestTags.header, headers)
  writeText(target, at, requestTags.webSocketId, webSocketId)
  return target
}

/** Writes a map that was not the last one measured, and measures that one again. */
function writeMeasured(
  target: Buffer,
  at: number,
  tag: number,
  flat: readonly string[],
  last: readonly string[],
): number {
  mapSize(flat)
  const end = writeMap(target, at, tag, flat)
  mapSize(last)
  return end
}

/** Decodes a Request. Body is a view; field order is free, the last of a repeated field counts. Throws EnvelopeError. */
export function decodeRequest(bytes: Uint8Array): DecodedRequest {
  const reader = new ProtobufReader(bytes)
  let url = ''
  let method = ''
  let remoteAddr = ''
  let webSocketId = ''
  let body = noBytes
  let maps = 0
  while (!reader.atEnd) {
    const tag = reader.tag()
    switch (tag) {
      case requestTags.url:
        url = reader.text()
        break
      case requestTags.method:
        method = reader.text()
        break
      case requestTags.remoteAddr:
        remoteAddr = reader.text()
        break
      case requestTags.body:
        body = reader.view()
        break
      case requestTags.form:
        checkEntry(reader)
        maps |= hasForm
        break
      case requestTags.header:
        checkEntry(reader)
        maps |= hasHeaders
        break
      case requestTags.webSocketId:
        webSocketId = reader.text()
        break
      default:
        reader.skip(tag)
    }
  }
  return new RequestView(reader, maps, { url, method, remoteAddr, webSocketId, body })
}

type ScalarFields = Omit<RequestFields, 'headers'>

/** Reads the maps only when somebody asks: most handlers never look at most of the headers. */
class RequestView implements DecodedRequest {
  readonly url: string
  readonly method: string
  readonly remoteAddr: string
  readonly webSocketId: string
  readonly body: Uint8Array
  readonly #reader: ProtobufReader
  #headers: readonly string[] | undefined
  #form: readonly string[] | undefined

  constructor(reader: ProtobufReader, maps: number, scalars: ScalarFields) {
    this.url = scalars.url
    this.method = scalars.method
    this.remoteAddr = scalars.remoteAddr
    this.webSocketId = scalars.webSocketId
    this.body = scalars.body
    this.#reader = reader
    this.#headers = (maps & hasHeaders) === 0 ? none : undefined
    this.#form = (maps & hasForm) === 0 ? none : undefined
  }

  get headers(): readonly string[] {
    this.#headers ??= readMap(this.#reader, requestTags.header)
    return this.#headers
  }

  get form(): readonly string[] {
    this.#form ??= readMap(this.#reader, requestTags.form)
    return this.#form
  }
}

/** Encodes a Response into one buffer of exactly its size. It is never empty: the status is always written. */
export function encodeResponse(fields: ResponseFields): Uint8Array {
  const { statusCode, headers, body, doUpgrade } = fields
  const size = 1 + int32Size(statusCode) + mapSize(headers) + (body.length === 0 ? 0 : fieldSize(body.length)) + 2
  const target = Buffer.allocUnsafe(size)
  target[0] = responseTags.statusCode
  let at = writeInt32(target, 1, statusCode)
  at = writeMap(target, at, responseTags.header, headers)
  if (body.length > 0) at = writeBytes(target, at, responseTags.body, body)
  target[at] = responseTags.doUpgrade
  target[at + 1] = doUpgrade ? 1 : 0
  return target
}

/** Decodes a Response, which must not be empty. Body is a view. Throws EnvelopeError. */
export function decodeResponse(bytes: Uint8Array): ResponseFields {
  if (bytes.length === 0) throw new EnvelopeError('the message is empty')
  const reader = new ProtobufReader(bytes)
  let statusCode = 0
  let headers: string[] = []
  let distinct = true
  let body = noBytes
  let doUpgrade = false
  while (!reader.atEnd) {
    const tag = reader.tag()
    switch (tag) {
      case responseTags.statusCode:
        statusCode = reader.int32()
        break
      case responseTags.header:
        distinct = appendEntry(reader, headers) && distinct
        break
      case responseTags.body:
        body = reader.view()
        break
      case responseTags.doUpgrade:
        doUpgrade = reader.boolean()
        break
      default:
        reader.skip(tag)
    }
  }
  if (!distinct) headers = readRepeatedNames(reader, responseTags.header)
  return { statusCode, headers, body, doUpgrade }
}
