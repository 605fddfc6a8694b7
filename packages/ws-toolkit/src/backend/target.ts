// SPDX-License-Identifier: Apache-2.0
import type { Handler, Reply } from '../chain.ts'
import { follow } from '../middleware/outcome.ts'
import { isServiceFault } from '../middleware/service-fault.ts'
import type { WsRequest } from '../request.ts'

export interface TargetOptions<U = unknown> {
  readonly handler: Handler<U>
  /** Share of the requests, against the other weights; 0 gets none. Default 1. */
  readonly weight?: number
  /** What a hash and `stats()` know it by. Default its place in the list. */
  readonly name?: string
}

/** Why a target is passed over: its probe failed, or too many requests did. */
export type TargetHealth = 'healthy' | 'down' | 'ejected'

/** One of the places a balancer sends requests to. */
export class Target<U> {
  readonly handler: Handler<U>
  readonly weight: number
  readonly name: string
  inFlight = 0
  requests = 0
  /** How far its turns have got: each moves it on by one for its weight. */
  pass = 0
  /** Since the last that ended well. */
  failures = 0
  isDown = false
  ejectedUntilMs = 0

  constructor({ handler, weight = 1, name }: TargetOptions<U>, index: number) {
    if (typeof handler !== 'function') throw new TypeError(`loadBalancer.targets[${index}].handler: is not a function`)
    if (!(weight >= 0 && weight < Infinity)) {
      throw new RangeError(`loadBalancer.targets[${index}].weight: ${weight} is not a number from 0 on`)
    }
    this.handler = handler
    this.weight = weight
    this.name = name ?? String(index)
  }

  /** Work for its strength; never rounded. */
  get load(): number {
    return this.inFlight / this.weight
  }

  health(nowMs: number): TargetHealth {
    if (this.isDown) return 'down'
    return this.ejectedUntilMs > nowMs ? 'ejected' : 'healthy'
  }

  run(request: WsRequest<U>, onFailure: (target: Target<U>) => void): Reply {
    this.inFlight += 1
    this.requests += 1
    return follow(
      () => this.handler(request),
      (failure) => {
        this.inFlight -= 1
        if (failure !== undefined && isServiceFault(failure)) {
          this.failures += 1
          onFailure(this)
        } else if (failure?.code !== 'cancelled' && failure?.code !== 'closed') {
          this.failures = 0
        }
      },
    )
  }
}
