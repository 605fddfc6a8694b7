// SPDX-License-Identifier: Apache-2.0
import { type ProtobufReader, varintSize, writeText, writeVarint } from './protobuf.ts'

// `map<string, Values>` of the envelope as a flat list: name, value, name, value. A map is a repeated entry message of
// key (1) and Values (2), and Values a repeated string (1). Every entry carries its Values: without it a Go service dies.

const keyTag = 0x0a
const valuesTag = 0x12
const valueTag = 0x0a

// Names compared one by one up to here, through a Map above: a hostile list must not cost the square of its length.
const fewNames = 32

// Reused between calls, which never overlap; `plan()` fills what `mapSize()` and `writeMap()` read.
let nextSame = new Int32Array(64)
let valuesSize = new Int32Array(64)

/** The bytes all entries take under a one-byte tag. `writeMap` for the same list must follow before any other call. */
export function mapSize(flat: readonly string[]): number {
  plan(flat)
  let size = 0
  for (let pair = 0; pair * 2 < flat.length; pair++) {
    const values = valuesSize[pair] ?? 0
    if (values < 0) continue
    const entry = entrySize(flat[pair * 2] ?? '', values)
    size += 1 + varintSize(entry) + entry
  }
  return size
}

/** Writes what `mapSize` has just measured, one entry per name in order of first appearance; returns the end. */
export function writeMap(target: Buffer, at: number, tag: number, flat: readonly string[]): number {
  let position = at
  for (let pair = 0; pair * 2 < flat.length; pair++) {
    const values = valuesSize[pair] ?? 0
    if (values < 0) continue
    const name = flat[pair * 2] ?? ''
    target[position] = tag
    position = writeVarint(target, position + 1, entrySize(name, values))
    position = writeText(target, position, keyTag, name)
    target[position] = valuesTag
    position = writeVarint(target, position + 1, values)
    for (let same = pair; same >= 0; same = nextSame[same] ?? -1) {
      position = writeText(target, position, valueTag, flat[same * 2 + 1] ?? '')
    }
  }
  return position
}

function entrySize(name: string, values: number): number {
  return 1 + varintSize(name.length) + name.length + 1 + varintSize(values) + values
}

/** Chains the pairs of equal names; the first of each gets the size of all its values, the others -1. */
function plan(flat: readonly string[]): void {
  const pairs = flat.length >> 1
  if (pairs > nextSame.length) {
    nextSame = new Int32Array(pairs * 2)
    valuesSize = new Int32Array(pairs * 2)
  }
  const lastOf = pairs > fewNames ? new Map<string, { head: number; tail: number }>() : undefined
  for (let pair = 0; pair < pairs; pair++) {
    const name = flat[pair * 2] ?? ''
    const length = flat[pair * 2 + 1]?.length ?? 0
    const size = 1 + varintSize(length) + length
    nextSame[pair] = -1
    if (lastOf === undefined) join(flat, pair, name, size)
    else joinIn(lastOf, pair, name, size)
  }
}

function join(flat: readonly string[], pair: number, name: string, size: number): void {
  for (let head = 0; head < pair; head++) {
    if (flat[head * 2] !== name) continue
    let tail = head
    while ((nextSame[tail] ?? -1) >= 0) tail = nextSame[tail] ?? -1
    nextSame[tail] = pair
    valuesSize[head] = (valuesSize[head] ?? 0) + size
    valuesSize[pair] = -1
    return
  }
  valuesSize[pair] = size
}

function joinIn(lastOf: Map<string, { head: number; tail: number }>, pair: number, name: string, size: number): void {
  const chain = lastOf.get(name)
  if (chain === undefined) {
    lastOf.set(name, { head: pair, tail: pair })
    valuesSize[pair] = size
    return
  }
  nextSame[chain.tail] = pair
  chain.tail = pair
  valuesSize[chain.head] = (valuesSize[chain.head] ?? 0) + size
  valuesSize[pair] = -1
}

/** Passes over one map entry, checking every length and tag in it, so that `readMap` cannot fail on it later. */
export function checkEntry(reader: ProtobufReader): void {
  const outer = reader.enter()
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag !== valuesTag) {
      reader.skip(tag)
      continue
    }
    const entryEnd = reader.enter()
    while (!reader.atEnd) reader.skip(reader.tag())
    reader.leave(entryEnd)
  }
  reader.leave(outer)
}

/** Reads every entry under `tag` of a message that has been walked once; of entries with equal names the last counts. */
export function readMap(reader: ProtobufReader, tag: number): string[] {
  reader.rewind()
  const flat: string[] = []
  let distinct = true
  while (!reader.atEnd) {
    const next = reader.tag()
    if (next === tag) distinct = appendEntry(reader, flat) && distinct
    else reader.skip(next)
  }
  return distinct ? flat : readRepeatedNames(reader, tag)
}

/** Appends one entry; false if its name may have come before, then only `readRepeatedNames` gives the map. */
export function appendEntry(reader: ProtobufReader, flat: string[]): boolean {
  const start = flat.length
  const name = readEntry(reader, flat)
  if (start > 2 * fewNames) return false
  for (let index = 0; index < start; index += 2) if (flat[index] === name) return false
  return true
}

/** Reads like `readMap`, at a cost that does not depend on how often a name repeats. */
export function readRepeatedNames(reader: ProtobufReader, tag: number): string[] {
  reader.rewind()
  const entries = new Map<string, string[]>()
  while (!reader.atEnd) {
    const next = reader.tag()
    if (next !== tag) {
      reader.skip(next)
      continue
    }
    const entry: string[] = []
    const name = readEntry(reader, entry)
    // The last entry counts, and stands where it stood.
    entries.delete(name)
    entries.set(name, entry)
  }
  return Array.from(entries.values()).flat()
}

/** Appends the pairs of one entry, whose fields may come in any order, and returns its name. */
function readEntry(reader: ProtobufReader, flat: string[]): string {
  const start = flat.length
  const outer = reader.enter()
  let name = ''
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === keyTag) name = reader.text()
    else if (tag === valuesTag) readValues(reader, flat)
    else reader.skip(tag)
  }
  reader.leave(outer)
  for (let index = start; index < flat.length; index += 2) flat[index] = name
  return name
}

function readValues(reader: ProtobufReader, flat: string[]): void {
  const outer = reader.enter()
  while (!reader.atEnd) {
    const tag = reader.tag()
    if (tag === valueTag) flat.push('', reader.text())
    else reader.skip(tag)
  }
  reader.leave(outer)
}
