// SPDX-License-Identifier: Apache-2.0
import { isAllowed, type Authorize, type Bus, type HeaderBlock, type Subject } from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import type { Reply, Site } from '../chain.ts'
import type { Codec } from '../codec/codec.ts'
import { isPromise } from '../promise.ts'
import { abortError } from '../middleware/pause.ts'
import { hook } from '../option-check.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { checkConnected } from './bus-fault.ts'
import { watchBus } from './bus-watch.ts'
import { checkedForm, codecOf, formFor, valuePayload, type NatsForm } from './reply-form.ts'
import { requestHeaders, type HeaderEntries } from './request-headers.ts'
import { requestSubject, type RequestSubject, type SubjectSource, type SubjectRules } from './request-subject.ts'

/** What every backend that sends over NATS takes. */
export interface OutboundOptions<U = unknown> extends SubjectRules {
  /** Decides in the place of the principal's permissions. */
  readonly authorize?: Authorize
  /** The payload. Default: `request.data`; texts and bytes as they are, anything else as JSON. */
  readonly payload?: (request: WsRequest<U>) => string | Uint8Array
  /**
   * Headers beside `Ws-Connection`, `Ws-User`, `Ws-Ip` and the trace; those of the client are in `connection.data` if
   * `onConnect` has kept them (`pickHeaders()`). Credentials, `Nats-*` and `Ws-*` are left out.
   */
  readonly headers?: (request: WsRequest<U>) => Readonly<Record<string, string>>
  /** What payloads are, both ways. Default: `auto` over `rawCodec()`, `json` over other codecs. */
  readonly as?: NatsForm
}

export const outboundKeys: readonly (keyof OutboundOptions)[] = [
  'authorize',
  'payload',
  'headers',
  'as',
  'encode',
  'dangerouslyAllowReserved',
]

/** A message that may be sent. */
export interface OutboundMessage {
  readonly subject: Subject
  readonly payload: Uint8Array
  readonly headers: HeaderBlock
  /** What its answer is. */
  readonly form: NatsForm
  readonly codec: Codec | undefined
}

/** Turns requests into messages for NATS: subject, permission, payload and headers. */
export class Outbound<U> {
  readonly bus: Bus
  readonly #options: OutboundOptions<U>
  readonly #form: NatsForm | undefined
  readonly #subjectOf: RequestSubject<U>
  readonly #unwatch: (() => void)[] = []
  #isClosed = false

  constructor(where: string, nats: NatsSource, subject: SubjectSource<U>, options: OutboundOptions<U>) {
    this.bus = busFrom(nats)
    this.#options = options
    this.#form = checkedForm(where, options.as)
    this.#subjectOf = requestSubject(where, subject, options)
    for (const name of ['authorize', 'payload', 'headers'] as const) hook(`${where}.${name}`, options[name])
  }

  mount(site: Site): void {
    this.#unwatch.push(watchBus(this.bus, site.observe))
  }

  close(): void {
    this.#isClosed = true
    for (const unwatch of this.#unwatch.splice(0)) unwatch()
  }

  /** Calls `act` with the message of a request, at once unless the permission comes later; `own` adds headers. */
  send(
    request: WsRequest<U>,
    action: 'publish' | 'request',
    act: (message: OutboundMessage) => Reply,
    own: HeaderEntries = [],
  ): Reply {
    this.#checkOpen()
    const subject = this.#subjectOf(request)
    const allowed = this.#isAllowed(request, action, subject)
    if (!isPromise(allowed)) return this.#act(request, { subject, allowed, own }, act)
    return allowed.then((later) => {
      if (request.signal.aborted) throw abortError(request.signal)
      this.#checkOpen()
      return this.#act(request, { subject, allowed: later, own }, act)
    })
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new WsError('draining')
    checkConnected(this.bus.state)
  }

  #isAllowed(request: WsRequest<U>, action: 'publish' | 'request', subject: Subject): boolean | Promise<boolean> {
    const { authorize } = this.#options
    const { principal, ip, path } = request.connection
    if (authorize === undefined && principal === undefined) return true
    return isAllowed(authorize, principal, action, subject, { surface: 'ws', route: path, ip, method: request.route })
  }

  #act(
    request: WsRequest<U>,
    message: { readonly subject: Subject; readonly allowed: boolean; readonly own: HeaderEntries },
    act: (message: OutboundMessage) => Reply,
  ): Reply {
    if (!message.allowed) throw new WsError(request.connection.principal === undefined ? 'unauthorized' : 'forbidden')
    const { payload, headers } = this.#options
    const codec = codecOf(request.connection)
    const form = formFor(codec, this.#form)
    return act({
      subject: message.subject,
      payload: payload === undefined ? valuePayload(request.data, form) : valuePayload(payload(request), 'auto'),
      headers: requestHeaders(request, headers?.(request), message.own),
      form,
      codec,
    })
  }
}
