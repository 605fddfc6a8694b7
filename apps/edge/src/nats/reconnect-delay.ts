// SPDX-License-Identifier: Apache-2.0

const firstMs = 100
const mostMs = 2000
/** A pause that was over so long before belongs to another series. */
const newSeriesMs = 5000

// The client dials once its last attempt, by the wall clock, plus this lies in the past.
const atOnce = Number.NEGATIVE_INFINITY

type Clock = () => number

const monotonic: Clock = () => performance.now()

/**
 * Makes the function that draws the pause before the next attempt: up to 100 ms, doubled up to 2 s, each with full jitter,
 * so that the clients of a restarted broker do not all come at once.
 */
export function growingPauses(now: Clock = monotonic, random: () => number = Math.random): () => number {
  let capMs = firstMs / 2
  let overAt = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = now()
    capMs = nowMs > overAt + newSeriesMs ? firstMs : Math.min(capMs * 2, mostMs)
    const pauseMs = Math.round(random() * capMs)
    overAt = nowMs + pauseMs
    return pauseMs
  }
}

/**
 * Makes the `reconnectDelayHandler` of a NATS client, with growing pauses of the monotonic clock. By itself the client
 * looks at the wall clock, and where that was set back by an hour, it would not dial for an hour.
 */
export function reconnectDelay(now: Clock = monotonic, random: () => number = Math.random): () => number {
  const draw = growingPauses(now, random)
  let dueAt = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = now()
    // A timer may be a little early.
    if (nowMs < dueAt - 1) return dueAt - nowMs
    dueAt = nowMs + draw()
    return atOnce
  }
}
