// SPDX-License-Identifier: Apache-2.0
import type { WireErrorCode } from '../wire-error.ts'

/** The policies that may stop an operation; audit events name them. */
export type PolicyName = 'permission' | 'rate' | 'payload' | 'verb' | 'subscription' | 'header' | 'connect'

/** Why a policy stops an operation, and what the client is told. */
export interface Denial {
  readonly policy: PolicyName
  /** The rule by its place in the options, such as `rates[0]`. */
  readonly rule: string
  readonly code: WireErrorCode
  /** What `-ERR '…'` says; undefined drops the operation in silence. */
  readonly text: string | undefined
  readonly closes: boolean
  /** The rule only reports what it would have done. */
  readonly dryRun: boolean
}
