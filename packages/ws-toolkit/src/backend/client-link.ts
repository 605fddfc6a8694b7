// SPDX-License-Identifier: Apache-2.0
import type { Reply } from '../chain.ts'
import { closeCode, relayedCloseCode } from '../close-code.ts'
import type { Connection } from '../connection.ts'
import type { WsRequest } from '../request.ts'
import { codecOf } from '../connection-codec.ts'
import { WsError } from '../ws-error.ts'
import { MatchedUpstream } from './matched-upstream.ts'
import type { UpstreamMessage } from './reply-match.ts'
import { Upstream } from './upstream.ts'
import type { WsBackendRules } from './ws-backend-options.ts'

const needsMatch = 'this service is asked without `match: jsonRpcMatch()`, so that it cannot answer'

/** One client and its own connection to the service. */
export class ClientLink<U> {
  readonly #connection: Connection<U>
  readonly #rules: WsBackendRules<U>
  readonly #onEnd: () => void
  readonly #isJsonRpc: boolean
  readonly #upstream: Upstream
  readonly #matched: MatchedUpstream<U> | undefined
  #wasOpen = false
  #isClientPaused = false
  #isHeld = false
  unmatched = 0

  /** `onEnd` is called once, when the connection to the service is no more. */
  constructor(connection: Connection<U>, rules: WsBackendRules<U>, onEnd: () => void) {
    this.#connection = connection
    this.#rules = rules
    this.#onEnd = onEnd
    this.#isJsonRpc = codecOf(connection)?.name === 'json-rpc'
    const { match } = rules
    const dial = (): ReturnType<typeof rules.dial> => rules.dial(connection)
    const owner = {
      message: (message: UpstreamMessage): void => this.#push(message),
      push: (message: UpstreamMessage): void => this.#push(message),
      unmatched: (): void => void (this.unmatched += 1),
      lost: (): void => {},
      ended: (code: number, reason: string, error: WsError | undefined): void => this.#ended(code, reason, error),
      writable: (): void => this.#resumeClient(),
    }
    this.#matched = match === undefined ? undefined : new MatchedUpstream(dial, { ...rules, match }, owner)
    this.#upstream = this.#matched?.upstream ?? new Upstream(dial, rules, owner)
    connection.signal.addEventListener('abort', this.#clientLeft, { once: true })
  }

  get pending(): number {
    return this.#matched?.pending.size ?? 0
  }

  handle(request: WsRequest<U>): Reply {
    const reply = this.#matched === undefined ? this.#pass(request) : this.#matched.ask(request)
    if (this.#upstream.isOpen) {
      this.#wasOpen = true
      this.#pauseClient()
    }
    return reply
  }

  /** Resolves when the service is there. */
  connect(): Promise<void> {
    return this.#upstream.whenOpen(() => {
      this.#wasOpen = true
    }, this.#connection.signal)
  }

  close(code: number): void {
    this.#connection.signal.removeEventListener('abort', this.#clientLeft)
    if (this.#matched === undefined) this.#upstream.close(code, '')
    else this.#matched.close(code, '')
    this.#resumeClient()
    this.#onEnd()
  }

  readonly #clientLeft = (): void => this.close(closeCode.goingAway)

  #pass(request: WsRequest<U>): Promise<void> | undefined {
    // JSON-RPC answers every id: the client would get an answer of ours beside that of the service.
    if (request.id !== undefined && this.#isJsonRpc) throw new WsError('unsupported', { message: needsMatch })
    const message = this.#rules.request(request)
    if (message === undefined) return undefined
    const binary = message === request.bytes ? request.binary : typeof message !== 'string'
    if (!this.#upstream.isOpen) {
      return this.#upstream.whenOpen(() => {
        this.#wasOpen = true
        this.#upstream.send(message, binary)
      }, request.signal)
    }
    this.#upstream.send(message, binary)
    return undefined
  }

  #push({ bytes, binary }: UpstreamMessage): void {
    this.#wasOpen = true
    this.#connection.send(bytes, { binary })
    if (this.#isHeld || this.#connection.bufferedBytes <= this.#rules.maxBufferedBytes) return
    this.#isHeld = true
    this.#upstream.hold()
    void this.#connection.drained().then(() => {
      this.#isHeld = false
      this.#upstream.release()
    })
  }

  #pauseClient(): void {
    if (this.#isClientPaused || !this.#upstream.isFull) return
    this.#isClientPaused = true
    this.#connection.pause()
  }

  #resumeClient(): void {
    if (!this.#isClientPaused) return
    this.#isClientPaused = false
    this.#connection.resume()
  }

  #ended(code: number, reason: string, error: WsError | undefined): void {
    this.#connection.signal.removeEventListener('abort', this.#clientLeft)
    this.#resumeClient()
    this.#onEnd()
    // A service that never was there fails the requests that asked for it; the client may try another way.
    if (error === undefined) void this.#connection.close(relayedCloseCode(code), reason)
    else if (this.#wasOpen) void this.#connection.close(closeCode.internalError, error.message)
  }
}
