// SPDX-License-Identifier: Apache-2.0
import type { WebSocket } from 'ws'
import { closeClass } from '../close-code.ts'
import { cancel, schedule, type Deadline } from '../deadline.ts'
import type { Delay } from '../middleware/delay.ts'
import { abortError } from '../middleware/pause.ts'
import { WsError } from '../ws-error.ts'
import type { UpstreamMessage } from './reply-match.ts'

export interface UpstreamRules {
  readonly connectTimeoutMs: number
  /** Bytes that may wait for the service before `isFull`. */
  readonly maxBufferedBytes: number
  /** Undefined: an end is the end. */
  readonly reconnect: { readonly attempts: number; readonly delay: Delay } | undefined
}

export interface UpstreamOwner {
  message(message: UpstreamMessage): void
  /** The connection broke; another may follow. */
  lost(error: WsError): void
  /** It is over for good: `error` where it never was there, else the close code and reason of the service. */
  ended(code: number, reason: string, error: WsError | undefined): void
  /** Little waits for the service again. */
  writable(): void
}

interface Waiting {
  open(): void
  fail(error: WsError): void
}

/** A connection to a service: made when it is asked for, made again where that is allowed. */
export class Upstream {
  readonly #dial: () => WebSocket
  readonly #rules: UpstreamRules
  readonly #owner: UpstreamOwner
  // In the order they came.
  readonly #waiting = new Set<Waiting>()
  #ws: WebSocket | undefined
  #state: 'new' | 'connecting' | 'open' | 'pausing' | 'ended' = 'new'
  #timer: Deadline | undefined
  #failures = 0
  #isHeld = false

  constructor(dial: () => WebSocket, rules: UpstreamRules, owner: UpstreamOwner) {
    this.#dial = dial
    this.#rules = rules
    this.#owner = owner
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get isEnded(): boolean {
    return this.#state === 'ended'
  }

  /** More waits for the service than should. */
  get isFull(): boolean {
    return (this.#ws?.bufferedAmount ?? 0) > this.#rules.maxBufferedBytes
  }

  /** Sends a message; legal while `isOpen`. */
  send(message: string | Uint8Array, binary: boolean): void {
    this.#ws?.send(message, { binary }, this.#sent)
  }

  /** Calls `ready` once the connection is open, in the order of the calls; connects if need be. */
  whenOpen(ready: () => void, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => waiting.fail(signal === undefined ? new WsError('cancelled') : abortError(signal))
      const end = (): void => {
        this.#waiting.delete(waiting)
        signal?.removeEventListener('abort', leave)
      }
      const waiting: Waiting = {
        open: () => {
          end()
          ready()
          resolve()
        },
        fail: (error) => {
          end()
          reject(error)
        },
      }
      this.#waiting.add(waiting)
      signal?.addEventListener('abort', leave, { once: true })
      if (signal?.aborted === true) leave()
      else if (this.#state === 'new') this.#connect()
      else if (this.#state === 'ended') waiting.fail(new WsError('upstream_closed'))
    })
  }

  /** Stops reading from the service; what was read already still comes. */
  hold(): void {
    this.#isHeld = true
    if (this.#state === 'open') this.#ws?.pause()
  }

  release(): void {
    this.#isHeld = false
    if (this.#state === 'open') this.#ws?.resume()
  }

  /** Ends it from our side; the owner is not told. */
  close(code: number, reason: string): void {
    const ws = this.#ws
    this.#end(new WsError('upstream_closed'))
    if (ws === undefined) return
    ws.removeAllListeners('message')
    if (ws.readyState === ws.OPEN) {
      ws.resume()
      ws.close(code, reason)
    } else {
      ws.terminate()
    }
  }

  #connect(): void {
    this.#state = 'connecting'
    let ws: WebSocket
    try {
      ws = this.#dial()
    } catch (error) {
      // Later, as any other failure: whoever asked is not listening yet.
      queueMicrotask(() => this.#closed(1006, '', error))
      return
    }
    this.#ws = ws
    let cause: unknown
    this.#timer = schedule(this.#rules.connectTimeoutMs, () => ws.terminate())
    // Before it is open: the first message may come together with the handshake.
    ws.on('message', (data: Buffer, binary: boolean) => {
      if (ws === this.#ws) this.#owner.message({ bytes: data, binary })
    })
    ws.once('open', () => {
      if (ws === this.#ws) this.#opened()
    })
    ws.on('error', (error) => {
      cause = error
    })
    ws.once('close', (code: number, reason: Buffer) => {
      if (ws === this.#ws) this.#closed(code, reason.toString(), cause)
    })
  }

  #opened(): void {
    cancel(this.#timer)
    this.#state = 'open'
    this.#failures = 0
    if (this.#isHeld) this.#ws?.pause()
    for (const waiting of this.#waiting) waiting.open()
  }

  #closed(code: number, reason: string, cause: unknown): void {
    if (this.#state === 'ended') return
    const wasOpen = this.#state === 'open'
    const error = lossError(wasOpen, cause)
    cancel(this.#timer)
    this.#ws = undefined
    if (wasOpen) this.#owner.lost(error)
    const { reconnect } = this.#rules
    // A service that has said goodbye for good is not asked again.
    const isFinal = wasOpen && closeClass(code) === 'stop'
    if (reconnect === undefined || isFinal || this.#failures >= reconnect.attempts) {
      this.#end(error)
      this.#owner.ended(code, reason, wasOpen ? undefined : error)
      return
    }
    this.#failures += 1
    this.#state = 'pausing'
    this.#timer = schedule(reconnect.delay(this.#failures), () => this.#connect())
  }

  #end(error: WsError): void {
    this.#state = 'ended'
    this.#ws = undefined
    cancel(this.#timer)
    for (const waiting of this.#waiting) waiting.fail(error)
  }

  readonly #sent = (): void => {
    if (this.#state === 'open' && !this.isFull) this.#owner.writable()
  }
}

function lossError(wasOpen: boolean, cause: unknown): WsError {
  if (wasOpen) return new WsError('upstream_closed', { cause })
  // 1011 where the client's words have no errors: there is nobody behind this connection.
  return new WsError('upstream_closed', { message: 'the service cannot be reached', closeCode: 1011, cause })
}
