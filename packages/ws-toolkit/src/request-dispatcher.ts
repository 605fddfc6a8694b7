// SPDX-License-Identifier: Apache-2.0
import { Batch } from './batch.ts'
import type { Reply } from './chain.ts'
import type { ChannelConnection } from './channel-connection.ts'
import type { AnsweringDispatcher } from './channel-runtime.ts'
import { freshMs } from './clock.ts'
import type { Codec, Incoming, ReplyTo } from './codec/codec.ts'
import type { Connection, SendOptions } from './connection.ts'
import type { ChannelCounters } from './counters.ts'
import type { WsEvent } from './event.ts'
import { frameOf, replyFrame, type Frame, type Outgoing } from './frame.ts'
import { isPromise } from './promise.ts'
import { RequestQueue, type RequestOrder } from './request-queue.ts'
import { RequestRun, type Answering, type RouteTarget } from './request-run.ts'
import { isStream, sendStream } from './request-stream.ts'
import type { RouteMatch, Router } from './router.ts'
import { WsError } from './ws-error.ts'

/** What a channel without a dispatcher of its own dispatches by. */
export interface DispatchTable<U> {
  readonly path: string
  readonly codec: Codec
  readonly router: Router<RouteTarget<U>>
  /** For keys without a route. */
  readonly fallback: RouteMatch<RouteTarget<U>>
  readonly order: RequestOrder
  readonly counters: ChannelCounters
  readonly observe: ((event: WsEvent) => void) | undefined
}

// What a request that was answered by a stream is answered with at last.
const endOfStream: unique symbol = Symbol('end of stream')

type Message = { readonly bytes: Buffer; readonly binary: boolean }

type Answer = Extract<Incoming, { type: 'answer' }>

/** Decodes messages, runs the chain of their route, and answers. */
export class RequestDispatcher<U> implements AnsweringDispatcher<U>, Answering<U> {
  readonly #table: DispatchTable<U>

  constructor(table: DispatchTable<U>) {
    this.#table = table
  }

  message(connection: ChannelConnection<U>, bytes: Buffer, binary: boolean): void {
    const incoming = this.#decode(connection, bytes, binary)
    if (incoming === undefined) return
    if (isPromise(incoming)) this.#takeLater(connection, incoming, { bytes, binary })
    else this.#takeAll(connection, incoming, { bytes, binary })
  }

  refuse(connection: ChannelConnection<U>, { bytes, binary }: Message, error: WsError): void {
    const incoming = this.#decode(connection, bytes, binary)
    if (incoming === undefined) return
    if (isPromise(incoming)) incoming.then((later) => this.#refuseAll(connection, later, error)).catch(ignore)
    else this.#refuseAll(connection, incoming, error)
  }

  item(run: RequestRun<U>, value: unknown, options: SendOptions | undefined): boolean {
    const { codec } = this.#table
    const message = codec.item(run, value)
    if (message === undefined || run.isDone) return false
    const traits = { isReply: true, key: options?.key, compress: options?.compress }
    return this.#send(run, frameOf(message, options?.binary ?? codec.binary, traits))
  }

  #decode(connection: ChannelConnection<U>, bytes: Buffer, binary: boolean): Incoming | Promise<Incoming> | undefined {
    try {
      return this.#table.codec.decode(bytes, binary)
    } catch (error) {
      this.#undecodable(connection, error)
      return undefined
    }
  }

  #takeLater(connection: ChannelConnection<U>, incoming: Promise<Incoming>, message: Message): void {
    // Requests start in the order of their messages: the next one is not even decoded before.
    const isOrdered = this.#table.order.order !== 'unordered'
    if (isOrdered) connection.pause()
    incoming
      .then(
        (later) => this.#takeAll(connection, later, message),
        (error: unknown) => this.#undecodable(connection, error),
      )
      .catch((error: unknown) => connection.failed('dispatcher', error))
      .finally(() => {
        if (isOrdered) connection.resume()
      })
  }

  #takeAll(connection: ChannelConnection<U>, incoming: Incoming, message: Message): void {
    if (incoming.type === 'batch') this.#takeBatch(connection, incoming.items, message)
    else this.#take(connection, incoming, message, undefined)
  }

  #refuseAll(connection: ChannelConnection<U>, incoming: Incoming, error: WsError): void {
    for (const item of incoming.type === 'batch' ? incoming.items : [incoming]) {
      if (item.type === 'request') this.#answerError(connection, item, error)
    }
  }

  #undecodable(connection: ChannelConnection<U>, thrown: unknown): void {
    if (!(thrown instanceof WsError)) connection.failed('codec', thrown)
    const error = thrown instanceof WsError ? thrown : new WsError('parse_error', { cause: thrown })
    this.#answerError(connection, undefined, error)
  }

  #takeBatch(connection: ChannelConnection<U>, items: readonly Incoming[], message: Message): void {
    const answerable = items.filter(({ type }) => type === 'request' || type === 'invalid').length
    const { codec } = this.#table
    const batch = new Batch<RequestRun<U>>(answerable, (answers, last) => {
      const whole = codec.batch?.(answers)
      if (whole === undefined) return
      const frame = replyFrame(whole, codec.binary)
      if (last === undefined) connection.push(frame)
      else this.#send(last, frame)
    })
    for (const item of items) this.#take(connection, item, message, batch)
  }

  #take(
    connection: ChannelConnection<U>,
    incoming: Incoming,
    message: Message,
    batch: Batch<RequestRun<U>> | undefined,
  ): void {
    switch (incoming.type) {
      case 'request': {
        const match = this.#table.router.match(incoming.key) ?? this.#table.fallback
        const facts = { id: incoming.id, key: incoming.key, data: incoming.data, ...message }
        this.#admit(new RequestRun(facts, match, { connection, answering: this, batch }))
        return
      }
      case 'answer':
        this.#settle(connection, incoming)
        return
      case 'cancel': {
        const waiting = connection.requests?.cancel(incoming.id)
        if (waiting !== undefined) this.#fail(waiting, new WsError('cancelled'))
        return
      }
      case 'invalid':
        // Without an id it is no notification: nobody knows what it is.
        this.#answerError(
          connection,
          incoming.id === undefined ? undefined : { id: incoming.id, key: '' },
          incoming.error,
          batch,
        )
        batch?.finished(undefined)
        return
      case 'ignored':
      case 'batch':
        this.#table.counters.ignored += 1
    }
  }

  #settle(connection: ChannelConnection<U>, { id, result, error, otherwise }: Answer): void {
    if (connection.answered(id, result, error)) return
    if (otherwise === undefined || connection.hasAsked(id)) this.#table.counters.ignored += 1
    else this.#answerError(connection, { id, key: '' }, otherwise)
  }

  #admit(run: RequestRun<U>): void {
    const { replyOrder } = this.#table.order
    const { requests } = run.connection
    if (requests === undefined && replyOrder === 'completion') this.#run(run)
    else if (this.#queueOf(run.connection).admit(run)) this.#run(run)
  }

  #run(run: RequestRun<U>): void {
    let reply: Reply
    try {
      reply = run.match.value.handler(run)
    } catch (error) {
      this.#fail(run, error)
      return
    }
    if (isPromise(reply)) {
      this.#queueOf(run.connection).add(run)
      reply.then(
        (value) => this.#complete(run, value),
        (error: unknown) => this.#fail(run, error),
      )
    } else {
      if (isStream(reply)) this.#queueOf(run.connection).add(run)
      this.#complete(run, reply)
    }
  }

  #complete(run: RequestRun<U>, value: Reply): void {
    if (isStream(value)) {
      sendStream(run, value).then(
        () => this.#answer(run, endOfStream),
        (error: unknown) => this.#fail(run, error),
      )
    } else {
      this.#answer(run, value)
    }
  }

  #answer(run: RequestRun<U>, value: Reply): void {
    const { codec } = this.#table
    let message: Outgoing | undefined
    try {
      message = value === endOfStream ? codec.end(run) : codec.reply(run, value)
    } catch (error) {
      this.#fail(run, error)
      return
    }
    if (message !== undefined) this.#sendLast(run, message)
    this.#finish(run, 'ok')
  }

  #fail(run: RequestRun<U>, thrown: unknown): void {
    const error = WsError.from(thrown)
    if (error.code === 'internal') run.connection.failed('handler', thrown)
    const { codec } = this.#table
    const message = codec.answersErrors ? codec.error(run, error) : undefined
    if (message !== undefined) this.#sendLast(run, message)
    this.#finish(run, error.code)
    if (!codec.answersErrors) closeFor(run.connection, error)
  }

  #finish(run: RequestRun<U>, code: 'ok' | WsError['code']): void {
    const ms = freshMs() - run.startedMs
    run.match.value.counters.finished(code, ms)
    const { observe, path } = this.#table
    if (observe !== undefined) {
      const { route, bytes, bytesOut } = run
      observe({ type: 'request.finished', channel: path, route, code, ms, bytesIn: bytes.length, bytesOut })
    }
    run.isDone = true
    run.batch?.finished(run)
    run.connection.requests?.finish(run)
  }

  #answerError(
    connection: ChannelConnection<U>,
    to: ReplyTo | undefined,
    error: WsError,
    batch?: Batch<RequestRun<U>>,
  ): void {
    const { codec } = this.#table
    if (!codec.answersErrors) {
      closeFor(connection, error)
      return
    }
    const message = codec.error(to, error)
    if (message === undefined) return
    if (batch === undefined) connection.push(replyFrame(message, codec.binary))
    else batch.add(message)
  }

  #sendLast(run: RequestRun<U>, message: Outgoing): void {
    if (run.batch === undefined) this.#send(run, replyFrame(message, this.#table.codec.binary))
    else run.batch.add(message)
  }

  #send(run: RequestRun<U>, frame: Frame): boolean {
    run.bytesOut += frame.size
    const { requests } = run.connection
    return requests === undefined ? run.connection.push(frame) : requests.send(run, frame)
  }

  #queueOf(connection: ChannelConnection<U>): RequestQueue<U> {
    connection.requests ??= new RequestQueue(this.#table.order, connection, (run) => this.#run(run))
    return connection.requests
  }
}

function closeFor(connection: Connection, error: WsError): void {
  const { closeCode } = error
  if (closeCode !== undefined && connection.state === 'open') void connection.close(closeCode, error.message)
}

function ignore(): void {}
