// SPDX-License-Identifier: Apache-2.0
import type { Bus } from '@nats-edge/wire-parser'
import type { WsEvent } from '../event.ts'

type Observe = (event: WsEvent) => void

interface Watch {
  users: number
  readonly stop: () => void
}

const watches = new WeakMap<Bus, Map<Observe, Watch>>()

/**
 * Tells `observe` when the connection is lost, and when it is back and the broker has read the subscriptions again, once
 * however many parts of a gateway ask for it; returns what ends that.
 */
export function watchBus(bus: Bus, observe: Observe): () => void {
  const known = watches.get(bus) ?? new Map<Observe, Watch>()
  watches.set(bus, known)
  const watch = known.get(observe) ?? { users: 0, stop: startWatch(bus, observe) }
  known.set(observe, watch)
  watch.users += 1
  let isWatching = true
  return () => {
    if (!isWatching) return
    isWatching = false
    watch.users -= 1
    if (watch.users > 0) return
    known.delete(observe)
    watch.stop()
  }
}

function startWatch(bus: Bus, observe: Observe): () => void {
  let isLost = false
  let isOver = false
  const restored = (epoch: number): void => {
    if (isOver || bus.state !== 'connected' || bus.epoch !== epoch) return
    isLost = false
    observe({ type: 'connection.restored' })
  }
  const stop = bus.onStatus(({ type }) => {
    if (type === 'connected' && isLost) {
      const { epoch } = bus
      // Lost once more before that, it is told of next time.
      bus.flush().then(
        () => restored(epoch),
        () => undefined,
      )
    } else if ((type === 'disconnected' || type === 'closed') && !isLost) {
      isLost = true
      observe({ type: 'connection.lost' })
    }
  })
  return () => {
    isOver = true
    stop()
  }
}
