// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import { ChannelConnection, type Introduction } from './channel-connection.ts'
import type { ChannelRuntime } from './channel-runtime.ts'
import { closeCode, type CloseInfo } from './close-code.ts'
import { cancel, schedule } from './deadline.ts'
import { isPromise } from './promise.ts'
import { takeDirectly } from './receive-shortcut.ts'
import { readIntoShared } from './shared-read.ts'
import type { RouteSocket } from './upgrade/route-socket.ts'

/** Makes a connection of an open socket: counts it, listens to it, and tells the dispatcher and `onOpen`. */
export function openConnection<U>(runtime: ChannelRuntime<U>, ws: RouteSocket, introduction: Introduction<U>): void {
  const { path, registry, heartbeat, counters, dispatcher } = runtime
  const socket = streamOf(ws)
  const connection = new ChannelConnection(runtime, { ws, socket }, introduction)
  ws.owner = connection
  if (!runtime.isPlain && takeDirectly(ws, connection)) readIntoShared(socket)
  registry.add(connection)
  heartbeat.start()
  counters.opened += 1
  const { id, ip, protocol, principal } = connection
  runtime.observe?.({ type: 'connection.opened', channel: path, id, ip, protocol, principalId: principal?.id })
  guard(connection, 'dispatcher', () => dispatcher.open?.(connection))
  if (!runtime.sendAway(connection)) greet(connection)
}

/** A socket is gone: takes the connection out of everything, and tells who wants to know once nothing runs any more. */
export function connectionGone<U>(connection: ChannelConnection<U>, info: CloseInfo): void {
  const { registry, heartbeat, counters, observe, path, options } = connection.runtime
  registry.delete(connection)
  if (registry.size === 0) heartbeat.stop()
  const { id, openedMs, bytesIn, bytesOut, messagesIn, messagesOut } = connection
  counters.closedWith(info.code)
  counters.bytesIn += bytesIn
  counters.bytesOut += bytesOut
  counters.messagesIn += messagesIn
  counters.messagesOut += messagesOut
  const { code, wasClean } = info
  const ms = Math.max(0, performance.now() - openedMs)
  observe?.({ type: 'connection.closed', channel: path, id, code, wasClean, ms, bytesIn, bytesOut })
  if (connection.requests?.isBusy !== true) {
    sayGone(connection, info)
    return
  }
  let isSaid = false
  const say = (): void => {
    if (isSaid) return
    isSaid = true
    cancel(deadline)
    sayGone(connection, info)
  }
  // A handler that looks at no signal may never end.
  const deadline = schedule(options.closeTimeoutMs, say)
  connection.requests.whenIdle(say)
}

function sayGone<U>(connection: ChannelConnection<U>, info: CloseInfo): void {
  const { dispatcher, options } = connection.runtime
  guard(connection, 'dispatcher', () => dispatcher.close?.(connection, info))
  guard(connection, 'onDisconnect', () => options.onDisconnect?.(connection, info))
}

function greet<U>(connection: ChannelConnection<U>): void {
  const { onOpen } = connection.runtime.options
  if (onOpen === undefined) return
  const fail = (error: unknown): void => {
    connection.failed('onOpen', error)
    void connection.close(closeCode.internalError)
  }
  try {
    const result = onOpen(connection)
    if (!isPromise(result)) return
    // Reading waits for it.
    connection.pause()
    void Promise.resolve(result)
      .catch(fail)
      .finally(() => connection.resume())
  } catch (error) {
    fail(error)
  }
}

function guard<U>(connection: ChannelConnection<U>, hook: 'dispatcher' | 'onDisconnect', call: () => unknown): void {
  try {
    const result = call()
    if (isPromise(result)) result.then(undefined, (error: unknown) => connection.failed(hook, error))
  } catch (error) {
    connection.failed(hook, error)
    if (hook === 'dispatcher' && connection.state === 'open') void connection.close(closeCode.internalError)
  }
}

/** The stream under a socket, where the handshake has left it. */
function streamOf({ stream }: RouteSocket): Duplex {
  if (stream !== undefined) return stream
  throw new TypeError('the socket does not say what stream it is on')
}
