// SPDX-License-Identifier: Apache-2.0
import type { WebSocket } from 'ws'
import type { Frame } from './frame.ts'

export interface DeflateOptions {
  readonly level?: number
  readonly thresholdBytes?: number
}

// What ws calls a sender that neither compresses nor reads a Blob.
const idle = 0

/**
 * Compressed shared frames for one socket: possible where no context is kept between messages, with the usual window,
 * and while `ws` itself has nothing under way. Whatever of ws is not as expected makes it say no.
 */
export class SharedDeflate {
  readonly #ws: WebSocket
  readonly #level: number
  readonly #thresholdBytes: number
  readonly #isPossible: boolean

  constructor(ws: WebSocket, { level = 1, thresholdBytes = 1024 }: DeflateOptions) {
    this.#ws = ws
    this.#level = level
    this.#thresholdBytes = thresholdBytes
    this.#isPossible = keepsNoContext(ws)
  }

  /** The bytes to write for a frame; undefined: let ws send it. */
  encode(frame: Frame): Buffer | undefined {
    if (!this.#isPossible || !frame.isShared || !isIdle(this.#ws)) return undefined
    const isCompressed = frame.compress !== false && frame.length >= this.#thresholdBytes
    return isCompressed ? frame.deflate(this.#level) : frame.encode()
  }
}

function keepsNoContext(ws: WebSocket): boolean {
  const deflate = property(property(ws, '_extensions'), 'permessage-deflate')
  const params = property(deflate, 'params')
  const bits = property(params, 'server_max_window_bits')
  return property(params, 'server_no_context_takeover') === true && (bits === undefined || bits === 15)
}

function isIdle(ws: WebSocket): boolean {
  return property(property(ws, '_sender'), '_state') === idle
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
