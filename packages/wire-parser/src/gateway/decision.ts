// SPDX-License-Identifier: Apache-2.0
import type { Operation } from '../operation.ts'

/** What becomes of an operation; a hook that returns nothing forwards it. */
export type Decision = Forward | Drop | Deny | Delay | Replace | Respond

export interface Forward {
  readonly action: 'forward'
}

export interface Drop {
  readonly action: 'drop'
}

export interface Deny {
  readonly action: 'deny'
  /** What `-ERR '…'` says. Default: the server's words for the operation. */
  readonly text?: string
  readonly close?: boolean
}

export interface Delay {
  readonly action: 'delay'
  readonly ms: number
  /** Default: forward. */
  readonly after?: Decision
}

export interface Replace {
  readonly action: 'replace'
  readonly operations: readonly Operation[]
}

export interface Respond {
  readonly action: 'respond'
  readonly operations: readonly Operation[]
}

/** The bytes pass as they came. */
export function forward(): Forward {
  return forwarded
}

/** The operation goes nowhere and nobody is told; a verbose client still gets its `+OK`. */
export function drop(): Drop {
  return dropped
}

/** The client gets `-ERR 'text'` at the next message boundary, and is closed with `close`. */
export function deny(text?: string, options: { readonly close?: boolean } = {}): Deny {
  if (text !== undefined) checkLine(text)
  return { action: 'deny', ...(text === undefined ? {} : { text }), ...options }
}

/** This direction of the connection waits, in order, before `then` is carried out. */
export function delay(ms: number, then?: Decision): Delay {
  if (!(ms >= 0 && ms <= 2 ** 31)) throw new RangeError(`delay: ${ms} is not a time to wait in milliseconds`)
  return { action: 'delay', ms, ...(then === undefined ? {} : { after: then }) }
}

/** Other operations go on in its place; permissions and limits are checked again. */
export function replace(...operations: readonly Operation[]): Replace {
  return { action: 'replace', operations }
}

/** The client gets these operations and the command goes nowhere. */
export function respond(...operations: readonly Operation[]): Respond {
  return { action: 'respond', operations }
}

const forwarded: Forward = Object.freeze({ action: 'forward' })
const dropped: Drop = Object.freeze({ action: 'drop' })

/** Throws TypeError for a text that would end its line too early. */
function checkLine(text: string): void {
  if (/[\r\n]/.test(text)) throw new TypeError(`deny: the text ${JSON.stringify(text)} holds a line end`)
}
