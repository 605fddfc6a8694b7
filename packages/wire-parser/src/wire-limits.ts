// SPDX-License-Identifier: Apache-2.0

/** Bounds of one direction of a connection; a size of -1 means no bound of its own. */
export interface WireLimits {
  /** Bytes of an argument, from behind verb and blanks to the line end. Default 4096 from clients: the server's. */
  readonly maxControlLineBytes: number
  /** The same for CONNECT. Default 4096: the server's; raise both for long JWTs. */
  readonly maxConnectBytes: number
  /** The same for everything a server sends. Default 65536: INFO lists every URL of a cluster. */
  readonly maxInfoBytes: number
  /** Bytes of a header block. Default -1: it counts towards the payload. */
  readonly maxHeaderBytes: number
  /** Bytes of headers and payload together. Default -1: what INFO says is set later by `setMaxPayloadBytes`. */
  readonly maxPayloadBytes: number
  /**
   * Bytes of an incomplete operation that are held until it is whole; a longer one is asked about by `head`. Default
   * 65536: a read buffer. A whole control line, blanks included, is never longer than this or its own bound.
   */
  readonly holdBytes: number
}

const defaults: WireLimits = {
  maxControlLineBytes: 4096,
  maxConnectBytes: 4096,
  maxInfoBytes: 65_536,
  maxHeaderBytes: -1,
  maxPayloadBytes: -1,
  holdBytes: 65_536,
}

const mayBeUnbounded: ReadonlySet<keyof WireLimits> = new Set(['maxHeaderBytes', 'maxPayloadBytes'])

/** Fills in the defaults; throws RangeError naming the limit that is none. */
export function resolveWireLimits(limits: Partial<WireLimits> = {}): WireLimits {
  const resolved = { ...defaults }
  for (const key of Object.keys(defaults) as (keyof WireLimits)[]) {
    const value = limits[key]
    if (value === undefined) continue
    const least = mayBeUnbounded.has(key) ? -1 : 1
    if (!Number.isInteger(value) || value < least || value > 2 ** 30) {
      throw new RangeError(`limits.${key} must be a whole number from ${least} to ${2 ** 30}, not ${value}`)
    }
    resolved[key] = value
  }
  return resolved
}
