// SPDX-License-Identifier: Apache-2.0

/** What happens to a message when more than `sendBufferBytes` already wait for the client; replies are never dropped. */
export const overflowPolicies = ['close', 'block', 'drop-oldest', 'drop-newest', 'coalesce'] as const

export type OverflowPolicy = (typeof overflowPolicies)[number]

/** The bounds of what waits for one client. */
export interface OutboundLimits {
  readonly sendBufferBytes: number
  readonly lowWaterBytes: number
  readonly overflow: OverflowPolicy
}
