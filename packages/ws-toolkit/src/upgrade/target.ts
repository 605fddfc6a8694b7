// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Permit } from '@nats-edge/wire-parser'
import { clientLeft, type UpgradeRefusal } from './refusal.ts'
import type { SocketRoute } from './route.ts'
import type { RouteSocket } from './route-socket.ts'
import { callHandler, deliverEvents, type SocketEvents } from './socket-events.ts'

/** Brands `upgradeWebSocket`, and is where a request carries its target. */
export const upgradeSymbol: unique symbol = Symbol.for('nats-edge.upgrade')

interface Start {
  readonly permit: Permit
  readonly ip: string
  readonly url: string
}

type Phase = 'pending' | 'accepted' | 'open' | 'ended'

/**
 * One handshake on its way: holds the Permit, watches the socket, and sees to it that exactly one of `onOpen` and
 * `onAbort` follows whatever the events function returned.
 */
export class UpgradeTarget {
  /** The place taken; `identify()` counts it against a principal that becomes known only after the upgrade. */
  readonly permit: Permit
  /** The address the place is counted against. */
  readonly ip: string
  /** The subprotocol that will be answered. */
  subprotocol: string | undefined
  /** Whether the place is already counted against a principal. */
  isIdentified = false
  /** Whether the route has answered with events: only then may the host switch protocols. */
  wasAccepted = false
  /** Gives the answer middleware has put in place of the route's; for a host that does not see it. */
  veto: (() => Response | undefined) | undefined

  readonly #route: SocketRoute
  readonly #socket: Duplex
  readonly #url: string
  #phase: Phase = 'pending'
  #isWatched = false
  #refusal: UpgradeRefusal = clientLeft
  #events: SocketEvents | undefined
  #controller: AbortController | undefined
  #wake: (() => void) | undefined
  #appendHeaders: ((headers: string[]) => void) | undefined

  constructor(incoming: IncomingMessage, route: SocketRoute, { permit, ip, url }: Start) {
    this.permit = permit
    this.ip = ip
    this.#route = route
    this.#socket = incoming.socket
    this.#url = url
    // A client that left before this is not announced again.
    if (this.#socket.destroyed || !this.#socket.readable) this.abort()
  }

  /** Aborted when the client leaves, the deadline passes or the host stops; made when first asked for. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#phase === 'ended' && !this.#controller.signal.aborted) this.#controller.abort(abortReason(this.#refusal))
    return this.#controller.signal
  }

  /** Why this handshake has come to nothing; undefined as long as it has not. */
  get refusal(): UpgradeRefusal | undefined {
    return this.#phase === 'ended' ? this.#refusal : undefined
  }

  /** Looks after the client until the socket is open: to be called before anything is waited for. */
  watch(): void {
    if (this.#isWatched || this.#phase === 'ended') return
    this.#isWatched = true
    this.#socket.on('end', this.#onLeft)
    this.#socket.on('close', this.#onLeft)
  }

  /** Waits for the events function, but not beyond its client or its deadline: then undefined, and `refusal` is set. */
  settle(pending: Promise<SocketEvents | Response>): Promise<SocketEvents | Response | undefined> {
    const { upgradeTimeoutMs } = this.#route.options
    this.watch()
    return new Promise((resolve, reject) => {
      // The route itself has made the host stop.
      if (this.#phase === 'ended') resolve(undefined)
      const timer = setTimeout(() => {
        this.abort({ code: 'timeout', detail: `the connection was not ready within ${upgradeTimeoutMs} ms; try again` })
      }, upgradeTimeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve(undefined)
      }
      pending.then(
        (outcome) => {
          clearTimeout(timer)
          if (this.#phase === 'ended') this.#letGo(outcome)
          else resolve(outcome)
        },
        (error: unknown) => {
          clearTimeout(timer)
          if (this.#phase === 'ended') this.#report(error)
          else reject(error)
        },
      )
    })
  }

  /** Takes the events over: from here on exactly one of `onOpen` and `onAbort` is called. */
  accept(events: SocketEvents): void {
    if (this.#phase === 'pending') {
      this.#phase = 'accepted'
      this.#wake = undefined
      this.#events = events
      this.wasAccepted = true
    } else {
      this.#callAbort(events)
    }
  }

  /** Ends a handshake that is not open yet: gives the place back and tells whoever waits. */
  abort(refusal: UpgradeRefusal = clientLeft): void {
    if (this.#phase === 'open' || this.#phase === 'ended') return
    this.#phase = 'ended'
    this.#refusal = refusal
    this.veto = undefined
    this.#unwatch()
    this.permit.release()
    this.#controller?.abort(abortReason(refusal))
    const events = this.#events
    this.#events = undefined
    if (events !== undefined) this.#callAbort(events)
    this.#wake?.()
    this.#wake = undefined
  }

  /** Does the WebSocket handshake on an accepted target; false when there is no socket any more to do it on. */
  open(incoming: IncomingMessage, head: Buffer, appendHeaders: (headers: string[]) => void): boolean {
    if (this.#phase !== 'accepted') return false
    this.#appendHeaders = appendHeaders
    this.#route.server.handleUpgrade(incoming, this.#socket, head, (ws) => this.#upgraded(ws))
    this.#appendHeaders = undefined
    // ws answered the client itself: a half-closed socket, an extension header it cannot read.
    if (this.#phase === 'accepted') this.abort()
    return true
  }

  /** Lets the host add the headers of the 101. */
  writeHeaders(headers: string[]): void {
    const own = headers.length
    this.#appendHeaders?.(headers)
    for (let index = own; index < headers.length; index += 1) headers[index] = asWritten(headers[index] ?? '')
  }

  #unwatch(): void {
    if (!this.#isWatched) return
    this.#isWatched = false
    this.#socket.off('end', this.#onLeft)
    this.#socket.off('close', this.#onLeft)
  }

  readonly #onLeft = (): void => this.abort()

  #upgraded(ws: RouteSocket): void {
    const events = this.#events
    if (events === undefined) return
    this.#phase = 'open'
    this.veto = undefined
    this.#events = undefined
    this.#wake = undefined
    this.#unwatch()
    // The place is all of a handshake that is kept as long as its connection.
    ws.permit = this.permit
    ws.stream = this.#socket
    deliverEvents(ws, events, { url: this.#url, observe: this.#route.options.observe })
  }

  // What came too late for its client.
  #letGo(outcome: SocketEvents | Response): void {
    if (typeof outcome !== 'object' || outcome === null) return
    if (!('status' in outcome)) this.#callAbort(outcome)
    else outcome.body?.cancel().catch((error: unknown) => this.#report(error))
  }

  #report(error: unknown): void {
    this.#route.options.observe?.({ type: 'handler.failed', handler: 'events', error })
  }

  #callAbort(events: SocketEvents): void {
    callHandler('onAbort', () => events.onAbort?.(), this.#route.options.observe)
  }
}

/** Finds the target a route of ours left on the request. */
export function targetOf(incoming: IncomingMessage): UpgradeTarget | undefined {
  if (!(upgradeSymbol in incoming)) return undefined
  // Only leaveTarget writes there; a second copy of this package leaves a target of the same shape.
  return incoming[upgradeSymbol] as UpgradeTarget
}

/** Leaves the target where the host finds it. */
export function leaveTarget(incoming: IncomingMessage, target: UpgradeTarget): void {
  // Assigned, as all here is: a property that is defined makes the object a slow one.
  Reflect.set(incoming, upgradeSymbol, target)
}

function abortReason(refusal: UpgradeRefusal): DOMException {
  return new DOMException(refusal.detail, refusal.code === 'timeout' ? 'TimeoutError' : 'AbortError')
}

// Header text holds one byte a character; ws encodes the head as UTF-8, which would encode those bytes twice.
function asWritten(line: string): string {
  if (!/[\x80-\xff]/.test(line)) return line
  const text = Buffer.from(line, 'latin1').toString('utf8')
  return text.includes('\ufffd') ? line : text
}
