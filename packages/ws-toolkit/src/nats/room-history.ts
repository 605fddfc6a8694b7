// SPDX-License-Identifier: Apache-2.0
import { isSubset, parsePattern, parseSubject, type Bus, type BusMessage, type Subject } from '@nats-edge/wire-parser'
import { requestOnce } from '@nats-edge/wire-parser/bus'
import { cancel, schedule } from '../deadline.ts'
import { checkKeys, whole } from '../option-check.ts'
import { maxRewind, type RoomMessage } from '../room-bus.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { jetstreamReply } from './jetstream-reply.ts'
import { roomCopy } from './room-copy.ts'
import { roomSubject } from './room-subject.ts'
import { SharedRun } from './shared-run.ts'

export interface RoomHistoryOptions {
  /** The stream that keeps what is said in rooms; made where there is none, else checked. */
  readonly stream: string
  /** Messages kept of each room, up to 1,000. Default 100. */
  readonly perRoom?: number
  /** How long messages are kept; 0 is as long as there is room. Default 86,400,000: a day. */
  readonly maxAgeMs?: number
  /** Bytes kept of all rooms together; above, the oldest go. Default 268,435,456. */
  readonly maxBytes?: number
  /** Copies of the stream in a cluster. Default 1. */
  readonly replicas?: number
}

/** A message with its place in the stream. */
export interface StoredMessage extends RoomMessage {
  readonly seq: number
}

const timeoutMs = 5000
// Each is a consumer at the broker while it lasts.
const maxReads = 16
const streamNotFound = 10_059
const nameTaken = 10_058

/**
 * What was said in rooms, kept by a stream. Members get it by what the stream publishes again once it has stored it:
 * one order for all servers, with the number of the message before, so that a gap is seen.
 */
export class RoomHistory {
  readonly #bus: Bus
  readonly #prefix: string
  readonly #options: Required<RoomHistoryOptions>
  readonly #position: SharedRun<number>
  readonly #reads = new Map<string, SharedRun<readonly StoredMessage[]>>()
  readonly #waiting: (() => void)[] = []
  #reading = 0

  constructor(bus: Bus, prefix: string, options: RoomHistoryOptions) {
    this.#bus = bus
    this.#prefix = prefix
    this.#options = resolveHistory(options)
    this.#position = new SharedRun(() => this.#findPosition())
  }

  /** Where the stream publishes again what was said in a room. */
  feed(room: string): Subject {
    return roomSubject(`${this.#prefix}-log`, room)
  }

  /** The number of the last message of the stream; rejects with TypeError where the stream cannot serve rooms. */
  position(): Promise<number> {
    return this.#position.ask()
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
      const { num_pending } = await this.#ask('CONSUMER.CREATE', {
        stream_name: this.#options.stream,
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

  async #findPosition(): Promise<number> {
    try {
      return this.#check(await this.#ask('STREAM.INFO').catch((error) => this.#make(error)))
    } catch (error) {
      throw error instanceof TypeError ? error : busFault(error)
    }
  }

  async #make(fault: unknown): Promise<Readonly<Record<string, unknown>>> {
    if (errCodeOf(fault) !== streamNotFound) throw fault
    const { stream, perRoom, maxAgeMs, maxBytes, replicas } = this.#options
    const config = {
      name: stream,
      description: 'What is said in the rooms of a WebSocket gateway.',
      subjects: [`${this.#prefix}.*`],
      republish: { src: `${this.#prefix}.>`, dest: `${this.#prefix}-log.>` },
      storage: 'file',
      retention: 'limits',
      discard: 'old',
      max_msgs_per_subject: perRoom,
      max_age: maxAgeMs * 1_000_000,
      max_bytes: maxBytes,
      num_replicas: replicas,
    }
    return this.#ask('STREAM.CREATE', config).catch((error) => {
      // Another server was faster.
      if (errCodeOf(error) === nameTaken) return this.#ask('STREAM.INFO')
      throw error
    })
  }

  /** Looks whether the stream keeps rooms, few enough messages of each, and publishes them again. */
  #check({ config, state }: Readonly<Record<string, unknown>>): number {
    const { subjects, republish, max_msgs_per_subject: perRoom } = membersOf(config)
    const { src, dest, headers_only: isBare } = membersOf(republish)
    const { last_seq: lastSeq } = membersOf(state)
    const prefix = this.#prefix
    if (!Array.isArray(subjects) || !subjects.some((subject) => covers(subject, prefix))) {
      throw this.#misfit(`it does not keep ${prefix}.*`)
    }
    if (!covers(src, prefix) || dest !== `${prefix}-log.>` || isBare === true) {
      throw this.#misfit(`it does not republish ${prefix}.> to ${prefix}-log.>`)
    }
    if (typeof perRoom !== 'number' || perRoom < 1 || perRoom > maxRewind) {
      throw this.#misfit(`max_msgs_per_subject is ${String(perRoom)}, not 1 to ${maxRewind}`)
    }
    if (typeof lastSeq !== 'number') throw new WsError('bad_reply', { message: 'no stream has answered' })
    return lastSeq
  }

  #misfit(why: string): TypeError {
    return new TypeError(`natsRoomBus.history: the stream ${this.#options.stream} cannot serve rooms: ${why}`)
  }

  async #ask(verb: string, body?: object): Promise<Readonly<Record<string, unknown>>> {
    const subject = parseSubject(`$JS.API.${verb}.${this.#options.stream}`)
    if (subject === undefined) throw new TypeError('the name of the stream is no token')
    const payload = Buffer.from(body === undefined ? '' : JSON.stringify(body))
    const { payload: answer } = await requestOnce(this.#bus, subject, payload, { timeoutMs })
    return jetstreamReply(answer)
  }
}

function resolveHistory(options: RoomHistoryOptions): Required<RoomHistoryOptions> {
  checkKeys('natsRoomBus.history', options, ['stream', 'perRoom', 'maxAgeMs', 'maxBytes', 'replicas'])
  const { stream } = options
  if (typeof stream !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(stream)) {
    throw new TypeError(`natsRoomBus.history.stream: ${JSON.stringify(stream)} is not the name of a stream`)
  }
  const name = (key: string): string => `natsRoomBus.history.${key}`
  return Object.freeze({
    stream,
    perRoom: whole(name('perRoom'), options.perRoom ?? 100, 1, maxRewind),
    maxAgeMs: whole(name('maxAgeMs'), options.maxAgeMs ?? 86_400_000, 0),
    maxBytes: whole(name('maxBytes'), options.maxBytes ?? 268_435_456, 1, Number.MAX_SAFE_INTEGER),
    replicas: whole(name('replicas'), options.replicas ?? 1, 1, 5),
  })
}

/** Reads the subject by which JetStream says where a message stands: `$JS.ACK`, in the old form or with a domain. */
function placeOf(reply: string | undefined): { readonly seq: number; readonly pending: number } | undefined {
  const tokens = reply?.split('.') ?? []
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined
  const shift = tokens.length === 9 ? 0 : 2
  return { seq: Number(tokens[5 + shift]), pending: Number(tokens[8 + shift]) }
}

function covers(subject: unknown, prefix: string): boolean {
  const outer = typeof subject === 'string' ? parsePattern(subject) : undefined
  const inner = parsePattern(`${prefix}.*`)
  return outer !== undefined && inner !== undefined && isSubset(inner, outer)
}

function errCodeOf(error: unknown): unknown {
  return error instanceof WsError ? membersOf(error.details)['errCode'] : undefined
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function ignore(): void {}
