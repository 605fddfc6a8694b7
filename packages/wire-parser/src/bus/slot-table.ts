// SPDX-License-Identifier: Apache-2.0
import type { BusError } from '../bus-error.ts'
import type { BusMessage } from '../message-bus.ts'

export type OnReply = (reply: BusMessage | BusError) => boolean | void

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const FIRST_SLOTS = 1024
const INVALID = 0x40

/** Slots there can be: three characters of the token. */
export const maxSlots: number = 2 ** 18
const GENERATIONS = 2 ** 24

/** Characters of a token: three for the slot, four for its generation. */
const TOKEN_LENGTH = 7

const pairs: readonly string[] = Array.from({ length: 4096 }, (_, i) => `${ALPHABET[i >> 6]}${ALPHABET[i & 63]}`)
const digits = new Uint8Array(256).fill(INVALID)
for (let i = 0; i < ALPHABET.length; i++) digits[ALPHABET.charCodeAt(i)] = i

/**
 * Requests waiting for replies, as integer slots. A slot's generation is part of its reply subject, so that a reply to
 * an earlier request never reaches the one that has the slot now.
 */
export class SlotTable {
  readonly #stem: string
  readonly #stems: string[] = []
  readonly #callbacks: (OnReply | undefined)[] = []
  readonly #subjects: string[] = []
  readonly #free: number[] = []
  #generations = new Uint32Array(FIRST_SLOTS)
  #marks = new Float64Array(FIRST_SLOTS)
  #size = 0

  /** Reply subjects are `stem` and a token. */
  constructor(stem: string) {
    this.#stem = stem
  }

  /** Requests waiting now. */
  get size(): number {
    return this.#size
  }

  get capacity(): number {
    return this.#generations.length
  }

  /** Takes a free slot, -1 if all of them wait for a reply. `mark` grows with each request and keeps their order. */
  take(onReply: OnReply, subject: string, mark: number): number {
    const slot = this.#free.pop() ?? this.#newSlot()
    if (slot < 0) return slot
    this.#callbacks[slot] = onReply
    this.#subjects[slot] = subject
    this.#marks[slot] = mark
    this.#size++
    return slot
  }

  /** Frees the slot; its reply subject is void from now on. */
  release(slot: number): void {
    this.#callbacks[slot] = undefined
    this.#subjects[slot] = ''
    this.#generations[slot] = (this.generation(slot) + 1) % GENERATIONS
    this.#free.push(slot)
    this.#size--
  }

  generation(slot: number): number {
    return this.#generations[slot] ?? 0
  }

  callback(slot: number): OnReply | undefined {
    return this.#callbacks[slot]
  }

  subject(slot: number): string {
    return this.#subjects[slot] ?? ''
  }

  mark(slot: number): number {
    return this.#marks[slot] ?? 0
  }

  /** Whether the request that got `generation` still waits. */
  holds(slot: number, generation: number): boolean {
    return this.#generations[slot] === generation && this.#callbacks[slot] !== undefined
  }

  replySubject(slot: number): string {
    const generation = this.generation(slot)
    return `${this.#stems[slot]}${pairs[generation >> 12]}${pairs[generation & 4095]}`
  }

  /** The slot a reply subject belongs to, -1 if that request no longer waits or never was. */
  find(subject: Uint8Array): number {
    const at = subject.length - TOKEN_LENGTH
    if (at !== this.#stem.length) return -1
    const a = digitAt(subject, at)
    const b = digitAt(subject, at + 1)
    const c = digitAt(subject, at + 2)
    const d = digitAt(subject, at + 3)
    const e = digitAt(subject, at + 4)
    const f = digitAt(subject, at + 5)
    const g = digitAt(subject, at + 6)
    if (((a | b | c | d | e | f | g) & INVALID) !== 0) return -1
    const slot = (a << 12) | (b << 6) | c
    return this.holds(slot, (d << 18) | (e << 12) | (f << 6) | g) ? slot : -1
  }

  /** The waiting slots, all or those of requests to `subject`, in the order of their requests. */
  waiting(subject?: string): number[] {
    const slots: number[] = []
    for (let slot = 0; slot < this.#callbacks.length; slot++) {
      if (this.#callbacks[slot] === undefined) continue
      if (subject === undefined || this.subject(slot) === subject) slots.push(slot)
    }
    return slots.sort((one, other) => this.mark(one) - this.mark(other))
  }

  #newSlot(): number {
    const slot = this.#stems.length
    if (slot === maxSlots) return -1
    if (slot === this.capacity) this.#grow()
    this.#stems.push(`${this.#stem}${ALPHABET[slot >> 12]}${pairs[slot & 4095]}`)
    return slot
  }

  #grow(): void {
    const generations = new Uint32Array(this.capacity * 2)
    generations.set(this.#generations)
    const marks = new Float64Array(this.capacity * 2)
    marks.set(this.#marks)
    this.#generations = generations
    this.#marks = marks
  }
}

function digitAt(bytes: Uint8Array, at: number): number {
  return digits[bytes[at] ?? 0] ?? INVALID
}
