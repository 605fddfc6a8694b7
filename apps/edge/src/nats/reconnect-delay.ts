// SPDX-License-Identifier: Apache-2.0

const firstMs = 100
const mostMs = 2000
/** A call this long after the previous delay was over begins a new series. */
const newSeriesMs = 5000

/**
 * Makes the function that says how long to wait before the next attempt: 100 ms, doubled up to 2 s, each with full
 * jitter, so that the clients of a restarted broker do not all come at once.
 */
export function reconnectDelay(
  now: () => number = () => performance.now(),
  random: () => number = Math.random,
): () => number {
  let capMs = firstMs
  let delayMs = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  return () => {
    const sinceMs = now() - drawnAt
    // The client asks again when it wakes up: the same answer lets it go on instead of drawing a longer sleep.
    if (sinceMs < delayMs + 20) return delayMs
    capMs = sinceMs > delayMs + newSeriesMs ? firstMs : Math.min(capMs * 2, mostMs)
    delayMs = Math.round(random() * capMs)
    drawnAt = now()
    return delayMs
  }
}
