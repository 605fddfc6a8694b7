// SPDX-License-Identifier: Apache-2.0
import type { ChannelConnection } from './channel-connection.ts'
import { closeCode } from './close-code.ts'
import type { LimitName } from './event.ts'
import type { Joined } from './room.ts'
import { WsError } from './ws-error.ts'

/** Joins a room unless the connection is in as many as it may be. */
export function joinWithinLimit<U>(connection: ChannelConnection<U>, room: string, rewind: number): Promise<Joined> {
  const { options, rooms } = connection.runtime
  if (connection.state !== 'open') return Promise.reject(new WsError('closed'))
  const { maxRooms } = options
  if (connection.rooms.size >= maxRooms && !connection.rooms.has(room)) {
    countHit(connection, 'rooms')
    return Promise.reject(new WsError('overloaded', { message: `a connection may be in ${maxRooms} rooms` }))
  }
  return rooms.join(connection, room, rewind)
}

/** Counts one subscription more and gives what uncounts it; throws above `maxSubscriptions`. */
export function countWithinLimit<U>(connection: ChannelConnection<U>): () => void {
  const { maxSubscriptions } = connection.runtime.options
  if (connection.subscriptions >= maxSubscriptions) {
    countHit(connection, 'subscriptions')
    throw new WsError('overloaded', { message: `a connection may have ${maxSubscriptions} subscriptions` })
  }
  connection.subscriptions += 1
  let isCounted = true
  return () => {
    if (isCounted) connection.subscriptions -= 1
    isCounted = false
  }
}

/** A message was refused for its rate. */
export interface Excess {
  readonly bytes: Buffer
  readonly binary: boolean
}

/** A rate was exceeded: refuses the message for that, where the dispatcher has words, or closes; one that may wait is not given. */
export function exceed<U>(
  connection: ChannelConnection<U>,
  limit: 'messages' | 'bytes',
  waitMs: number,
  message: Excess | undefined,
): void {
  countHit(connection, limit)
  if (message === undefined) return
  const { options, dispatcher } = connection.runtime
  if (options.onExceeded === 'error' && dispatcher.refuse !== undefined) {
    const retryAfterMs = Math.min(waitMs, 60_000)
    dispatcher.refuse(connection, message, new WsError('rate_limited', { retryAfterMs }))
  } else {
    void connection.close(closeCode.policyViolation, 'too many messages')
  }
}

/** Closes a connection whose client floods it with control frames, for which nobody has words. */
export function closeFlooding<U>(connection: ChannelConnection<U>): void {
  countHit(connection, 'control')
  void connection.close(closeCode.policyViolation, 'too many control frames')
}

function countHit<U>({ id, path, runtime }: ChannelConnection<U>, limit: LimitName): void {
  runtime.counters.limits[limit] += 1
  runtime.observe?.({ type: 'limit.hit', channel: path, id, limit })
}
