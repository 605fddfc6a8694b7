// SPDX-License-Identifier: Apache-2.0
import type { WsRequest } from '../request.ts'
import type { Target } from './target.ts'

/**
 * `least`: the least work for its weight, ties in turn. `p2c`: the better of two drawn by weight. A function: requests
 * of one key go to one target for as long as it is healthy.
 */
export type TargetPick<U = unknown> = 'least' | 'p2c' | ((request: WsRequest<U>) => string)

/** Chooses one of several targets, all of a weight above 0. */
export type PickTarget<U> = (targets: readonly Target<U>[], request: WsRequest<U>) => Target<U>

/** Makes the function of a way to pick; throws TypeError for one there is not. */
export function pickFor<U>(pick: TargetPick<U>): PickTarget<U> {
  if (pick === 'least') return leastLoaded()
  if (pick === 'p2c') return betterOfTwo
  if (typeof pick === 'function') return (targets, request) => hashed(targets, pick(request))
  throw new TypeError(`loadBalancer.pick: ${JSON.stringify(pick)} is not least, p2c or a function`)
}

// Equal loads are settled by turns, of which each target has as many as its weight says (stride scheduling).
function leastLoaded<U>(): PickTarget<U> {
  let clock = 0
  return (targets) => {
    // Whoever was away has no turns to catch up on.
    const turn = (target: Target<U>): number => Math.max(target.pass, clock)
    let best = at(targets, 0)
    for (const other of targets) {
      if (other.load < best.load || (other.load === best.load && turn(other) < turn(best))) best = other
    }
    clock = turn(best)
    best.pass = clock + 1 / best.weight
    return best
  }
}

function betterOfTwo<U>(targets: readonly Target<U>[]): Target<U> {
  const first = drawn(targets)
  if (targets.length === 1) return first
  const second = drawn(targets.filter((target) => target !== first))
  return second.load < first.load ? second : first
}

function drawn<U>(targets: readonly Target<U>[]): Target<U> {
  let left = Math.random() * targets.reduce((sum, { weight }) => sum + weight, 0)
  for (const target of targets) {
    left -= target.weight
    if (left < 0) return target
  }
  return at(targets, 0)
}

/** Rendezvous hashing: a target that goes or comes moves only the keys that are its own. */
function hashed<U>(targets: readonly Target<U>[], key: string): Target<U> {
  let best = at(targets, 0)
  let most = -Infinity
  for (const target of targets) {
    const score = -target.weight / Math.log(unit(`${target.name}\n${key}`))
    if (score > most) [best, most] = [target, score]
  }
  return best
}

/** A hash between 0 and 1, neither of them (FNV-1a, and the last steps of MurmurHash3 to spread similar keys). */
function unit(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32
}

function at<U>(targets: readonly Target<U>[], index: number): Target<U> {
  const target = targets[index]
  if (target === undefined) throw new TypeError('a balancer picks out of one target or more')
  return target
}
