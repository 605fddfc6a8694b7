// SPDX-License-Identifier: Apache-2.0
import type { AbortListener, AbortSource } from '../abort-source.ts'
import type { Reply } from '../chain.ts'
import { cancel, schedule, type Deadline } from '../deadline.ts'
import { abortErrorFor } from '../middleware/pause.ts'
import { WsError } from '../ws-error.ts'
import type {
  DispatchedRequest,
  HttpDispatcher,
  ResponseController,
  ResponseHandler,
  ResponseHeaders,
} from './http-dispatcher.ts'
import { headerText, mediaType, refusedReply, replyValue, type HttpReply, type ReplyForm } from './http-reply.ts'
import { ItemStream } from './item-stream.ts'
import { eventItems, lineItems, type ItemReader } from './line-reader.ts'

export interface ExchangeRules {
  readonly timeoutMs: number
  readonly streamIdleMs: number
  readonly maxResponseBytes: number
  readonly form: ReplyForm
  /** Whether the codec of the channel writes JSON. */
  readonly isJsonCodec: boolean
  readonly accept: (status: number) => boolean
  readonly map: ((reply: HttpReply) => Reply) | undefined
}

const lineTypes: ReadonlySet<string> = new Set(['application/x-ndjson', 'application/ndjson', 'application/jsonl'])

/** One HTTP request and what becomes of it: an answer, a stream of answers, or an error. */
export class HttpExchange implements ResponseHandler, AbortListener {
  readonly #rules: ExchangeRules
  readonly #source: AbortSource
  readonly #onFree: () => void
  #resolve: (reply: Reply) => void = () => {}
  #reject: (error: WsError) => void = () => {}
  #controller: ResponseController | undefined
  #deadline: Deadline | undefined
  #status = 0
  #headers: ResponseHeaders = {}
  #chunks: Buffer[] = []
  #bytes = 0
  #stream: ItemStream | undefined
  #reader: ItemReader | undefined
  #lastDataMs = 0
  // Answered: what still comes is thrown away.
  #isSettled = false
  #isFree = false

  /** `onFree` is called once, when nothing of it is left. */
  constructor(rules: ExchangeRules, source: AbortSource, onFree: () => void) {
    this.#rules = rules
    this.#source = source
    this.#onFree = onFree
  }

  begin(dispatcher: HttpDispatcher, request: DispatchedRequest): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      if (this.#source.isAborted) {
        this.aborted(this.#source.abortReason)
        return
      }
      this.#source.addAbortListener(this)
      // The dispatcher's own deadlines begin with the connection, of which there may be none.
      this.#deadline = schedule(this.#rules.timeoutMs, () => this.#break(new WsError('timeout')))
      try {
        dispatcher.dispatch(request, this)
      } catch (error) {
        this.#break(WsError.from(error))
      }
    })
  }

  /** Ends it from outside. */
  break(error: WsError): void {
    this.#break(error)
  }

  onRequestStart(controller: ResponseController): void {
    this.#controller = controller
    if (this.#isSettled) controller.abort(new Error('nobody waits for the answer any more'))
  }

  onResponseStart(_controller: ResponseController, status: number, headers: ResponseHeaders): void {
    // 1xx: the answer is still to come.
    if (status < 200 || this.#isSettled) return
    this.#status = status
    this.#headers = headers
    if (!this.#rules.accept(status)) {
      this.#fail(refusedReply(status, headers))
      return
    }
    const encoding = headerText(headers, 'content-encoding').toLowerCase()
    if (encoding !== '' && encoding !== 'identity') {
      this.#break(new WsError('bad_reply', { message: `the service answered in the encoding ${encoding}, unasked` }))
    } else if (Number(headerText(headers, 'content-length')) > this.#rules.maxResponseBytes) {
      this.#break(tooLarge())
    } else {
      this.#startStream(mediaType(headers))
    }
  }

  onResponseData(_controller: ResponseController, chunk: Buffer): void {
    this.#lastDataMs = performance.now()
    if (this.#reader !== undefined) {
      this.#read(this.#reader, chunk)
      return
    }
    this.#bytes += chunk.length
    if (this.#bytes > this.#rules.maxResponseBytes) this.#break(tooLarge())
    else if (!this.#isSettled) this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#free()
    if (this.#reader !== undefined) this.#endStream(this.#reader)
    else if (!this.#isSettled) this.#complete()
  }

  onResponseError(_controller: ResponseController | null, cause: Error): void {
    this.#free()
    const message = this.#status === 0 ? 'the service cannot be reached' : 'the service broke off its answer'
    this.#fail(new WsError('bad_reply', { message, cause }))
  }

  /** The request is over: nobody waits for the answer. */
  aborted(reason: unknown): void {
    this.#break(abortErrorFor(reason))
  }

  #complete(): void {
    const [first = Buffer.alloc(0)] = this.#chunks
    const body = this.#chunks.length > 1 ? Buffer.concat(this.#chunks) : first
    try {
      this.#settle(this.#replyOf(body))
    } catch (error) {
      this.#fail(WsError.from(error))
    }
  }

  #replyOf(body: Buffer): Reply {
    const { map, form, isJsonCodec } = this.#rules
    if (map !== undefined) return map({ status: this.#status, headers: this.#headers, body })
    // 204 and 205 have no content, so that there is nothing to send.
    if (this.#status === 204 || this.#status === 205) return undefined
    return replyValue(body, form, mediaType(this.#headers), isJsonCodec)
  }

  #startStream(type: string): void {
    const { map, form, isJsonCodec, maxResponseBytes, streamIdleMs } = this.#rules
    const isLines = lineTypes.has(type)
    if (map !== undefined || (!isLines && type !== 'text/event-stream')) return
    const stream = new ItemStream({
      pause: () => this.#controller?.pause(),
      resume: () => {
        this.#lastDataMs = performance.now()
        this.#controller?.resume()
      },
      cancel: () => this.#break(new WsError('cancelled')),
    })
    const itemType = isLines ? 'application/json' : 'text/plain'
    const take = (item: Buffer): void => stream.push(replyValue(item, form, itemType, isJsonCodec))
    this.#reader = isLines ? lineItems(maxResponseBytes, take) : eventItems(maxResponseBytes, take)
    this.#stream = stream
    this.#settle(stream)
    this.#lastDataMs = performance.now()
    this.#watch(streamIdleMs)
  }

  /** Ends a stream of which nothing has come for too long; while the client is the slow one, time does not count. */
  #watch(afterMs: number): void {
    this.#deadline = schedule(afterMs, () => {
      const { streamIdleMs } = this.#rules
      const silentMs = this.#stream?.isPaused === true ? 0 : performance.now() - this.#lastDataMs
      if (silentMs >= streamIdleMs) this.#break(new WsError('timeout'))
      else this.#watch(streamIdleMs - silentMs)
    })
  }

  #read(reader: ItemReader, chunk: Buffer): void {
    try {
      reader.push(chunk)
    } catch (error) {
      this.#break(WsError.from(error))
    }
  }

  #endStream(reader: ItemReader): void {
    try {
      reader.end()
      this.#stream?.end()
    } catch (error) {
      this.#stream?.end(error)
    }
  }

  /** Answers with an error and takes the connection from the service. */
  #break(error: WsError): void {
    this.#fail(error)
    const controller = this.#controller
    this.#free()
    controller?.abort(error)
  }

  #fail(error: WsError): void {
    this.#stream?.end(error)
    if (this.#isSettled) return
    this.#isSettled = true
    this.#source.removeAbortListener(this)
    this.#chunks = []
    this.#reject(error)
  }

  #settle(reply: Reply): void {
    this.#isSettled = true
    this.#source.removeAbortListener(this)
    if (this.#stream !== undefined) cancel(this.#deadline)
    this.#chunks = []
    this.#resolve(reply)
  }

  #free(): void {
    if (this.#isFree) return
    this.#isFree = true
    cancel(this.#deadline)
    this.#onFree()
  }
}

function tooLarge(): WsError {
  return new WsError('bad_reply', { message: 'the service answered with more than is taken' })
}
