// SPDX-License-Identifier: Apache-2.0
import type { Connection } from './connection.ts'
import type { WsEvent } from './event.ts'
import { frameOf, type Frame, type Outgoing } from './frame.ts'
import { maxRewind, type RoomBus, type RoomMessage, type RoomSubscription } from './room-bus.ts'
import { WsError } from './ws-error.ts'

/** What `join()` found. */
export interface Joined {
  readonly room: string
  /** Members here, the new one included. */
  readonly size: number
  /** Messages of the past that were sent first. */
  readonly replayed: number
}

export interface BroadcastOptions {
  /** The one who does not get it, on whatever server: mostly the sender. */
  readonly except?: Connection | string | undefined
  /** Leaves out members of this server. Not with a bus that delivers to all servers alike: WsError `unsupported`. */
  readonly exclude?: ((member: Connection) => boolean) | undefined
  readonly binary?: boolean
  /** Under the overflow policy `coalesce` the message replaces the one of this key that still waits. */
  readonly key?: string
}

/** Connections that get the same messages. */
export interface Room {
  readonly name: string
  /** Members on this server. */
  readonly size: number
  readonly members: Iterable<Connection>
  /**
   * Sends one frame to every member, on every server if there is a room bus; returns how many members here got it, or
   * will, where all of them get it by the bus. There it throws WsError when the bus cannot take it.
   */
  broadcast(message: Outgoing, options?: BroadcastOptions): number
}

/** The rooms of a gateway. */
export interface Rooms extends Iterable<Room> {
  /** Rooms with members here. */
  readonly size: number
  /** The room of a name; there need be nobody in it. */
  room(name: string): Room
}

/** A connection as a room needs it. */
export interface Member extends Connection {
  readonly rooms: Set<string>
}

interface Seat {
  /** What came while the past is being read; undefined when it is not. */
  held: RoomMessage[] | undefined
  /** More came meanwhile than is held. */
  isBehind: boolean
}

interface LocalRoom {
  readonly seats: Map<Member, Seat>
  subscription: RoomSubscription | undefined
}

const maxNameLength = 256
const maxHeld = 1000

/** Members by room, on this server, and what the bus brings for them. */
export class LocalRooms implements Rooms {
  readonly #rooms = new Map<string, LocalRoom>()
  readonly #bus: RoomBus | undefined
  readonly #observe: (event: WsEvent) => void

  constructor(bus: RoomBus | undefined, observe: (event: WsEvent) => void) {
    this.#bus = bus
    this.#observe = observe
    if (bus?.history !== undefined && bus.delivers !== 'all') {
      throw new TypeError('roomBus: with history() it delivers to all, else the past and the present have no order')
    }
    bus?.mount?.({ observe })
  }

  get size(): number {
    return this.#rooms.size
  }

  /** Seats in all rooms together. */
  get seats(): number {
    let seats = 0
    for (const room of this.#rooms.values()) seats += room.seats.size
    return seats
  }

  *[Symbol.iterator](): IterableIterator<Room> {
    for (const name of this.#rooms.keys()) yield this.room(name)
  }

  room(name: string): Room {
    checkName(name)
    const rooms = this.#rooms
    return {
      name,
      get size(): number {
        return rooms.get(name)?.seats.size ?? 0
      },
      get members(): Iterable<Connection> {
        return rooms.get(name)?.seats.keys() ?? []
      },
      broadcast: (message, options) => this.#broadcast(name, message, options ?? {}),
    }
  }

  async join(member: Member, name: string, rewind: number): Promise<Joined> {
    checkName(name)
    checkRewind(rewind)
    if (rewind > 0 && this.#bus?.history === undefined) {
      throw new WsError('unsupported', { message: 'rooms keep no history here' })
    }
    const room = this.#roomOf(name)
    const known = room.seats.get(member)
    if (known !== undefined) return { room: name, size: room.seats.size, replayed: 0 }
    const seat: Seat = { held: rewind > 0 ? [] : undefined, isBehind: false }
    room.seats.set(member, seat)
    member.rooms.add(name)
    this.#observe({ type: 'room.joined', room: name, id: member.id, size: room.seats.size })
    try {
      await room.subscription?.ready
      const replayed = rewind > 0 ? await this.#replay(member, name, { room, seat, rewind }) : 0
      checkSeat(room, member, seat)
      return { room: name, size: room.seats.size, replayed }
    } catch (error) {
      if (room.seats.get(member) === seat) this.leave(member, name)
      throw WsError.from(error)
    }
  }

  leave(member: Member, name: string): void {
    const room = this.#rooms.get(name)
    if (room === undefined || !room.seats.delete(member)) return
    member.rooms.delete(name)
    this.#observe({ type: 'room.left', room: name, id: member.id, size: room.seats.size })
    if (room.seats.size > 0) return
    this.#rooms.delete(name)
    room.subscription?.close()
  }

  close(): void {
    for (const room of this.#rooms.values()) room.subscription?.close()
    this.#rooms.clear()
  }

  #roomOf(name: string): LocalRoom {
    let room = this.#rooms.get(name)
    if (room === undefined) {
      const made: LocalRoom = { seats: new Map(), subscription: undefined }
      made.subscription = this.#bus?.subscribe(name, (message) => deliver(made, message))
      this.#rooms.set(name, made)
      room = made
    }
    return room
  }

  #broadcast(name: string, message: Outgoing, options: BroadcastOptions): number {
    const frame = frameOf(message, options.binary, { key: options.key }).share()
    const { binary, payload, key } = frame
    const copy: RoomMessage = { payload, binary, key, except: idOf(options.except) }
    const bus = this.#bus
    const room = this.#rooms.get(name)
    if (bus?.delivers === 'all') {
      if (options.exclude !== undefined) {
        throw new WsError('unsupported', { message: 'exclude: this room bus delivers to all servers; use except' })
      }
      bus.publish(name, copy)
      return room?.seats.size ?? 0
    }
    const sent = room === undefined ? 0 : send(room, frame, options)
    try {
      bus?.publish(name, copy)
    } catch (error) {
      // Members here have it already: the rest of the world is told of by the event.
      this.#observe({ type: 'room.failed', room: name, error })
    }
    return sent
  }

  /** Sends the past, as fast as the member takes it, and then what was said meanwhile. */
  async #replay(
    member: Member,
    name: string,
    { room, seat, rewind }: { readonly room: LocalRoom; readonly seat: Seat; readonly rewind: number },
  ): Promise<number> {
    const past = (await this.#bus?.history?.(name, rewind)) ?? []
    let lastSeq = 0
    const replay = async (message: RoomMessage): Promise<void> => {
      await member.drained()
      checkSeat(room, member, seat)
      lastSeq = message.seq ?? lastSeq
      if (message.except !== member.id) member.send(frameOfMessage(message))
    }
    for (const message of past) await replay(message)
    const held = seat.held ?? []
    for (const message of held) {
      // One that was said while the past was read is in both.
      if ((message.seq ?? Infinity) > lastSeq) await replay(message)
    }
    checkSeat(room, member, seat)
    seat.held = undefined
    return past.length
  }
}

/** Hands a message that came by the bus to the members here. */
function deliver(room: LocalRoom, message: RoomMessage): void {
  const frame = frameOfMessage(message)
  for (const [member, seat] of room.seats) {
    if (member.id === message.except) continue
    if (seat.held === undefined) member.send(frame)
    else if (seat.held.length < maxHeld) seat.held.push(message)
    else seat.isBehind = true
  }
}

function frameOfMessage({ payload, binary, key }: RoomMessage): Frame {
  return frameOf(payload, binary, { key }).share()
}

/** Throws where the member has left while it was waited for, or has fallen behind. */
function checkSeat(room: LocalRoom, member: Member, seat: Seat): void {
  if (room.seats.get(member) !== seat) throw new WsError('closed', { message: 'left the room meanwhile' })
  if (seat.isBehind) throw new WsError('overloaded', { message: 'more was said than could be held; join again' })
}

function send(room: LocalRoom, frame: Frame, { except, exclude }: BroadcastOptions): number {
  const exceptId = idOf(except)
  let sent = 0
  for (const member of room.seats.keys()) {
    if (member.id === exceptId || exclude?.(member) === true) continue
    if (member.send(frame)) sent += 1
  }
  return sent
}

function idOf(member: Connection | string | undefined): string | undefined {
  return typeof member === 'object' ? member.id : member
}

function checkRewind(rewind: number): void {
  if (Number.isInteger(rewind) && rewind >= 0 && rewind <= maxRewind) return
  throw new WsError('invalid_params', { message: `rewind is a whole number up to ${maxRewind}` })
}

function checkName(name: string): void {
  if (typeof name === 'string' && name !== '' && name.length <= maxNameLength) return
  throw new WsError('invalid_params', { message: `the name of a room has 1 to ${maxNameLength} characters` })
}
