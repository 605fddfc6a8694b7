// SPDX-License-Identifier: Apache-2.0
import { WSContext, type WSEvents } from 'hono/ws'
import type { RawData, WebSocket } from 'ws'
import { isPromise } from '../promise.ts'
import type { HandlerName, SocketOptions } from './socket-options.ts'

/** What a route does with its socket: exactly one of `onOpen` and `onAbort` is called, `onClose` only after `onOpen`. */
export interface SocketEvents extends WSEvents<WebSocket> {
  /** The events function had returned, but the client did not stay for the handshake: let go of what was prepared. */
  onAbort?(): void
}

/** Events of whoever wants the socket itself, and nothing of Hono's around it. */
export interface RawSocketEvents extends Pick<SocketEvents, 'onAbort'> {
  takeSocket(ws: WebSocket): void
}

type Observe = SocketOptions['observe']

// It says nothing of its socket, so one is enough.
const opened = new Event('open')

// Node has no global CloseEvent before 23 and no ErrorEvent at all.
class SocketCloseEvent extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean

  constructor(code: number, reason: string) {
    super('close')
    this.code = code
    this.reason = reason
    this.wasClean = code !== 1006
  }
}

class SocketErrorEvent extends Event {
  readonly error: unknown
  readonly message: string

  constructor(error: unknown) {
    super('error')
    this.error = error
    this.message = error instanceof Error ? error.message : String(error)
  }
}

/** Connects a route's handlers to an open socket and calls `onOpen`; there is a listener only where there is a handler. */
export function deliverEvents(
  ws: WebSocket,
  events: SocketEvents | RawSocketEvents,
  options: { readonly url: string; readonly observe: Observe },
): void {
  if ('takeSocket' in events) handOver(ws, events, options.observe)
  else listen(ws, events, options)
}

function handOver(ws: WebSocket, events: RawSocketEvents, observe: Observe): void {
  callHandler(
    'onOpen',
    () => events.takeSocket(ws),
    observe,
    () => ws.close(1011),
  )
}

function listen(
  ws: WebSocket,
  events: SocketEvents,
  { url, observe }: { readonly url: string; readonly observe: Observe },
): void {
  const context = contextFor(ws, url)
  const { onMessage, onClose, onError } = events

  function raise(error: unknown): void {
    if (onError !== undefined) {
      callHandler('onError', () => onError.call(events, new SocketErrorEvent(error), context), observe)
    }
  }

  function failed(error: unknown): void {
    ws.close(1011)
    raise(error)
  }

  if (onError !== undefined) ws.on('error', raise)
  if (onMessage !== undefined) {
    ws.on('message', (data, isBinary) => {
      const event = new MessageEvent('message', { data: isBinary ? arrayBufferOf(data) : String(data) })
      callHandler('onMessage', () => onMessage.call(events, event, context), observe, failed)
    })
  }
  if (onClose !== undefined) {
    ws.on('close', (code, reason) => {
      const event = new SocketCloseEvent(code, reason.toString())
      callHandler('onClose', () => onClose.call(events, event, context), observe)
    })
  }
  callHandler('onOpen', () => events.onOpen?.(opened, context), observe, failed)
}

/** Calls a handler of the application: neither a throw nor a rejection of it reaches the process. */
export function callHandler(
  handler: HandlerName,
  call: () => unknown,
  observe: Observe,
  failed?: (error: unknown) => void,
): void {
  function report(error: unknown): void {
    observe?.({ type: 'handler.failed', handler, error })
    failed?.(error)
  }
  try {
    const result = call()
    if (isPromise(result)) result.then(undefined, report)
  } catch (error) {
    report(error)
  }
}

function contextFor(ws: WebSocket, url: string): WSContext<WebSocket> {
  return new WSContext<WebSocket>({
    send: (data, { compress }) => ws.send(data, compress === undefined ? {} : { compress }),
    close: (code, reason) => ws.close(code, reason),
    raw: ws,
    get readyState() {
      return ws.readyState
    },
    url,
    protocol: ws.protocol,
  })
}

function arrayBufferOf(data: RawData): ArrayBuffer {
  if (data instanceof ArrayBuffer) return data
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data
  // A copy: the bytes are a view of the chunk that was read, and the handler may keep them.
  return new Uint8Array(bytes).buffer
}
