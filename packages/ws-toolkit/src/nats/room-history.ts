// SPDX-License-Identifier: Apache-2.0
import type { Bus, BusMessage, Subject } from '@nats-edge/wire-parser'
import { cancel, schedule } from '../deadline.ts'
import type { RoomMessage } from '../room-bus.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { roomCopy } from './room-copy.ts'
import { RoomStream, type RoomHistoryOptions } from './room-stream.ts'
import { roomSubject } from './room-subject.ts'
import { SharedRun } from './shared-run.ts'

/** A message with its place in the stream. */
export interface StoredMessage extends RoomMessage {
  readonly seq: number
}

const timeoutMs = 5000
// Each is a consumer at the broker while it lasts.
const maxReads = 16

/**
 * What was said in rooms, kept by a stream. Members get it by what the stream publishes again once it has stored it:
 * one order for all servers, with the number of the message before, so that a gap is seen.
 */
export class RoomHistory {
  readonly #bus: Bus
  readonly #prefix: string
  readonly #stream: RoomStream
  readonly #reads = new Map<string, SharedRun<readonly StoredMessage[]>>()
  readonly #waiting: (() => void)[] = []
  #reading = 0

  constructor(bus: Bus, prefix: string, options: RoomHistoryOptions) {
    this.#bus = bus
    this.#prefix = prefix
    this.#stream = new RoomStream(bus, prefix, options)
  }

  /** The name of the stream. */
  get stream(): string {
    return this.#stream.name
  }

  /** Where the stream publishes again what was said in a room. */
  feed(room: string): Subject {
    return roomSubject(`${this.#prefix}-log`, room)
  }

  /** The number of the last message of the stream; rejects with TypeError where the stream cannot serve rooms. */
  position(): Promise<number> {
    return this.#stream.position()
  }

  /** All that is kept of a room; shared by those who ask at the same time. */
  async whole(room: string): Promise<readonly StoredMessage[]> {
    const run = this.#reads.get(room) ?? new SharedRun(() => this.readFrom(room, 1))
    this.#reads.set(room, run)
    try {
      return await run.ask()
    } finally {
      if (run.isIdle) this.#reads.delete(room)
    }
  }

  /** What is kept of a room from a number on. */
  async readFrom(room: string, seq: number): Promise<readonly StoredMessage[]> {
    if (this.#reading >= maxReads) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#reading += 1
    try {
      return await this.#read(roomSubject(this.#prefix, room), seq)
    } catch (error) {
      throw busFault(error)
    } finally {
      this.#reading -= 1
      this.#waiting.shift()?.()
    }
  }

  async #read(subject: Subject, seq: number): Promise<readonly StoredMessage[]> {
    const bus = this.#bus
    const inbox = bus.inbox()
    const messages: StoredMessage[] = []
    let end: (error?: Error) => void = ignore
    const ended = new Promise<void>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve() : reject(error))
    })
    ended.catch(ignore)
    const take = (message: BusMessage): void => {
      const place = placeOf(message.reply)
      if (place === undefined) return
      const copy = roomCopy(message)
      if (copy !== undefined) messages.push({ ...copy, seq: place.seq })
      if (place.pending === 0) end()
    }
    const subscription = bus.subscribe(inbox, take, { onEnd: end })
    const deadline = schedule(timeoutMs, () => end(new WsError('timeout')))
    const unlisten = bus.onStatus(({ type }) => {
      if (type === 'disconnected' || type === 'closed') end(new WsError('disconnected'))
    })
    try {
      // The broker forgets the consumer by itself once nobody listens.
      const { num_pending } = await this.#stream.ask('CONSUMER.CREATE', {
        stream_name: this.#stream.name,
        config: {
          deliver_subject: inbox,
          deliver_policy: 'by_start_sequence',
          opt_start_seq: seq,
          filter_subject: subject,
          ack_policy: 'none',
          max_deliver: 1,
          mem_storage: true,
          num_replicas: 1,
        },
      })
      if (num_pending !== 0) await ended
      return messages
    } finally {
      unlisten()
      cancel(deadline)
      subscription.unsubscribe()
    }
  }
}

/** Reads the subject by which JetStream says where a message stands: `$JS.ACK`, in the old form or with a domain. */
function placeOf(reply: string | undefined): { readonly seq: number; readonly pending: number } | undefined {
  const tokens = reply?.split('.') ?? []
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined
  const shift = tokens.length === 9 ? 0 : 2
  return { seq: Number(tokens[5 + shift]), pending: Number(tokens[8 + shift]) }
}

function ignore(): void {}
