// SPDX-License-Identifier: Apache-2.0
import { isSubset, parsePattern, parseSubject, type Bus } from '@nats-edge/wire-parser'
import { requestOnce } from '@nats-edge/wire-parser/bus'
import { checkKeys, whole } from '../option-check.ts'
import { maxRewind } from '../room-bus.ts'
import { WsError } from '../ws-error.ts'
import { busFault } from './bus-fault.ts'
import { jetstreamReply } from './jetstream-reply.ts'
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

const timeoutMs = 5000
const streamNotFound = 10_059
const nameTaken = 10_058

/** The stream that keeps what is said in rooms, and publishes it again once it has stored it. */
export class RoomStream {
  readonly name: string
  readonly #bus: Bus
  readonly #prefix: string
  readonly #options: Required<RoomHistoryOptions>
  readonly #position: SharedRun<number>

  constructor(bus: Bus, prefix: string, options: RoomHistoryOptions) {
    this.#bus = bus
    this.#prefix = prefix
    this.#options = resolveHistory(options)
    this.name = options.stream
    this.#position = new SharedRun(() => this.#find())
  }

  /** The number of its last message; makes it where there is none, rejects with TypeError where it cannot serve rooms. */
  position(): Promise<number> {
    return this.#position.ask()
  }

  async #find(): Promise<number> {
    try {
      return this.#check(await this.ask('STREAM.INFO').catch((error) => this.#make(error)))
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
    return this.ask('STREAM.CREATE', config).catch((error) => {
      // Another server was faster.
      if (errCodeOf(error) === nameTaken) return this.ask('STREAM.INFO')
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

  /** Asks the API of JetStream about the stream; rejects with WsError or BusError. */
  async ask(verb: string, body?: object): Promise<Readonly<Record<string, unknown>>> {
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
  return Object.freeze({
    stream,
    perRoom: whole(optionName('perRoom'), options.perRoom ?? 100, 1, maxRewind),
    maxAgeMs: whole(optionName('maxAgeMs'), options.maxAgeMs ?? 86_400_000, 0, 2 ** 40),
    maxBytes: whole(optionName('maxBytes'), options.maxBytes ?? 268_435_456, 1, Number.MAX_SAFE_INTEGER),
    replicas: whole(optionName('replicas'), options.replicas ?? 1, 1, 5),
  })
}

function optionName(key: string): string {
  return `natsRoomBus.history.${key}`
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
