// SPDX-License-Identifier: Apache-2.0
import type { TimerHandle } from '../bus/timer-wheel.ts'
import { WireError, type WireErrorCode } from '../wire-error.ts'
import { errorLine } from './answers.ts'
import type { CloseCause, CloseReport } from './close-cause.ts'
import type { Session } from './session.ts'
import { lingerMs } from './transport.ts'
import { closesConnection, webSocketCodeOf } from './web-socket-code.ts'

const ping = Buffer.from('PING\r\n', 'latin1')

/** The end of one connection: what the client is told, in which order, and when both sides are gone. */
export class Closing {
  readonly #session: Session
  #cause: CloseCause | undefined
  #text: string | undefined
  #error: WireError | undefined
  #timer: TimerHandle | undefined
  /** The PONG that says the server has answered everything sent before. */
  #fence = -1
  #isClientGone = false
  #isBackendGone = false

  constructor(session: Session) {
    this.#session = session
  }

  /** Whether the end has begun. */
  get hasBegun(): boolean {
    return this.#cause !== undefined
  }

  /** Whether both sides are gone. */
  get isOver(): boolean {
    return this.#isClientGone && this.#isBackendGone
  }

  /**
   * Ends the connection for what the client sent. The server has answers under way to what came before; they are let
   * through first, as if the server itself had found the fault.
   */
  failInTurn(error: WireError): void {
    const session = this.#session
    if (this.hasBegun) return
    const cause = error.code === 'authorization' ? 'denied' : 'protocol_error'
    if (!session.hasPassed || !session.isOpen) {
      this.fail(cause, error)
      return
    }
    this.#begin(cause, error)
    session.acks.pinged()
    this.#fence = ++session.pings
    session.backendOutlet?.insert(ping)
    this.#after(lingerMs, () => this.#speak())
  }

  /** Ends the connection now, after the operation of which a part is on its way. */
  fail(cause: CloseCause, error: WireError): void {
    if (this.hasBegun) return
    this.#begin(cause, error)
    this.#speak()
  }

  /** Notes a PONG; whether it is the gateway's own. */
  ponged(): boolean {
    if (this.#session.pongs !== this.#fence) return false
    this.#speak()
    return true
  }

  /** The server said something that is none of its operations. */
  backendFailed(error: WireError): void {
    const session = this.#session
    session.backendLost(error)
    this.fail('backend_error', new WireError('backend_lost', error.message, { cause: error }))
  }

  /** Gives up a connection whose sides were never joined; what the client is told is up to the caller. */
  abandon(error: WireError): void {
    const causes: Partial<Record<WireErrorCode, CloseCause>> = {
      authorization: 'denied',
      backend_unavailable: 'backend_error',
      shutdown: 'shutdown',
      peer_error: 'client_closed',
    }
    this.#text = error.text
    this.destroy(causes[error.code] ?? 'internal_error')
  }

  /** Cuts both sides off because something went wrong in here: that is this connection's trouble only. */
  broken(error: unknown): void {
    this.#session.audit.hookFailed('gateway', error)
    this.destroy('internal_error')
  }

  /** Ends both sides without a word. */
  end(cause: CloseCause, webSocketCode = 1001): void {
    if (this.hasBegun) return
    this.#cause = cause
    this.#endBoth(webSocketCode)
  }

  /** Cuts both sides off. */
  destroy(cause: CloseCause): void {
    this.#cause ??= cause
    this.#clear()
    this.#session.client?.destroy()
    this.#session.backend?.destroy()
    if (this.#session.client !== undefined) return
    // Nobody listens to the backend yet.
    this.clientGone(undefined)
    this.backendGone(undefined)
  }

  clientGone(error: Error | undefined): void {
    if (this.#isClientGone) return
    this.#isClientGone = true
    if (this.#refusal() !== undefined) this.#cause ??= 'backend_closed'
    this.#cause ??= error === undefined ? 'client_closed' : 'connection_error'
    const { backend, backendOutlet, clientFlow } = this.#session
    clientFlow?.close()
    backendOutlet?.end()
    backend?.end(1000)
    if (backend === undefined) this.#isBackendGone = true
    this.#finish()
  }

  backendGone(error: Error | undefined): void {
    if (this.#isBackendGone) return
    this.#isBackendGone = true
    const session = this.#session
    if (!this.hasBegun && this.#refusal() === undefined) {
      session.backendLost(error ?? new Error('the server closed the connection'))
    }
    this.#cause ??= 'backend_closed'
    // The server's last word to the client was passed on already; a fence it was asked for never comes.
    if (this.#fence >= 0) this.#speak()
    else this.#endClient(webSocketCodeOf(session.lastError))
    this.#finish()
  }

  /** The operation of which a part was on its way has gone out whole. */
  boundary(): void {
    if (this.#error !== undefined && this.#fence < 0) this.#speak()
  }

  report(): CloseReport {
    const { messagesIn, messagesOut, denied, openedMs } = this.#session
    const { bytesIn, bytesOut } = this.#session.traffic
    return {
      cause: this.#cause ?? 'client_closed',
      text: this.#text ?? this.#refusal(),
      durationMs: Math.max(0, Math.round(performance.now() - openedMs)),
      messagesIn,
      messagesOut,
      bytesIn,
      bytesOut,
      denied,
    }
  }

  /** The server's last word to the client, if it has said one: it then closes the connection. */
  #refusal(): string | undefined {
    const { lastError } = this.#session
    return closesConnection(lastError) ? lastError : undefined
  }

  #begin(cause: CloseCause, error: WireError): void {
    this.#cause = cause
    this.#error = error
    this.#text = error.text
    this.#session.clientFlow?.close()
  }

  /** Says what there is to say and ends both sides; waits for the end of an operation that is half out. */
  #speak(): void {
    const session = this.#session
    const error = this.#error
    this.#fence = -1
    if (error === undefined) return
    if (session.clientOutlet?.isInside === true) {
      this.#after(lingerMs, () => this.#endBoth(error.webSocketCode))
      return
    }
    this.#error = undefined
    if (error.text !== undefined) session.clientOutlet?.add(errorLine(error.text))
    this.#endBoth(error.webSocketCode)
  }

  #endBoth(webSocketCode: number): void {
    const { backend, backendOutlet } = this.#session
    this.#clear()
    this.#error = undefined
    this.#endClient(webSocketCode)
    this.#session.clientFlow?.close()
    backendOutlet?.end()
    backend?.end(1000)
    if (backend === undefined) this.#isBackendGone = true
    this.#finish()
  }

  #endClient(webSocketCode: number): void {
    const { client, clientOutlet, backendFlow } = this.#session
    backendFlow?.close()
    clientOutlet?.end()
    client?.end(webSocketCode)
    if (client === undefined) this.#isClientGone = true
  }

  #after(ms: number, run: () => void): void {
    this.#clear()
    this.#timer = this.#session.gateway.wheel.schedule(ms, run)
  }

  #clear(): void {
    if (this.#timer !== undefined) this.#session.gateway.wheel.cancel(this.#timer)
    this.#timer = undefined
  }

  #finish(): void {
    if (!this.isOver) return
    this.#clear()
    this.#session.over()
  }
}
