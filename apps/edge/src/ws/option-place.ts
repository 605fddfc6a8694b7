// SPDX-License-Identifier: Apache-2.0
import { OptionFault } from '../config/option-fault.ts'
import type { ConfigPath } from '../config/tree.ts'

// Messages of the package begin with the factory, then the option: `wsBackend.url: …`.
const factory =
  /^(?:nats(?:Request|Publish|Queue|Subscribe|RoomBus)|httpBackend|httpPool|wsBackend|loadBalancer|rateLimit|throttle|timeout|retry|breaker|cache|basicAuth|bearer|exponential|jsonCodec|jsonRpc)(?:\.|: )/

// `route "a.b": …` quotes the value itself: its place is known already.
const whatItIs = /^[a-z]+ (?=")/

/** Runs what may refuse an option, and says at which place of the configuration that option stands. */
export function placed<T>(path: ConfigPath, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    const message = error.message.replace(factory, '').replace(whatItIs, '')
    const cause = new TypeError(message, { cause: error })
    throw new OptionFault(['ws', ...path], keyOfOption, cause)
  }
}

function keyOfOption(option: string): string {
  return option.replace(/(Ms|Bytes)$/, '')
}
