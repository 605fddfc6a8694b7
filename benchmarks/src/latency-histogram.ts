// SPDX-License-Identifier: Apache-2.0

// 64 buckets per power of two: a quantile is off by at most 1/128 of its value.
const bucketsPerOctave = 64
const highestMicros = 2 ** 26 - 1
const bucketCount = 21 * bucketsPerOctave

/** Counts latencies in microseconds, 0 to 67 s, with a relative error below 1 %; recording allocates nothing. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketCount)
  #total = 0

  get total(): number {
    return this.#total
  }

  /** Rounds down to whole microseconds; above 67 s counts as 67 s. */
  record(micros: number): void {
    const index = bucketOf(Math.min(Math.max(Math.trunc(micros), 0), highestMicros))
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#total += 1
  }

  /** The latency in microseconds that `share` (0 to 1) of the recorded ones do not exceed; NaN when there are none. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#total))
    let seen = 0
    for (let index = 0; index < bucketCount; index++) {
      seen += this.#counts[index] ?? 0
      if (seen >= wanted) return middleOf(index)
    }
    return Number.NaN
  }

  /** Adds what another histogram handed out by `counts()`. */
  add(counts: readonly number[]): void {
    if (counts.length > bucketCount) throw new RangeError(`a latency histogram has at most ${bucketCount} counts`)
    for (const [index, count] of counts.entries()) {
      this.#counts[index] = (this.#counts[index] ?? 0) + count
      this.#total += count
    }
  }

  /** The bucket counts up to the last one that is not zero: plain data that crosses a process border. */
  counts(): number[] {
    let length = bucketCount
    while (length > 0 && this.#counts[length - 1] === 0) length -= 1
    return Array.from(this.#counts.subarray(0, length))
  }
}

function bucketOf(micros: number): number {
  if (micros < 2 * bucketsPerOctave) return micros
  const shift = 25 - Math.clz32(micros)
  return shift * bucketsPerOctave + (micros >>> shift)
}

function middleOf(index: number): number {
  if (index < 2 * bucketsPerOctave) return index
  const shift = Math.floor(index / bucketsPerOctave) - 1
  const low = (index - shift * bucketsPerOctave) << shift
  return low + ((1 << shift) - 1) / 2
}
