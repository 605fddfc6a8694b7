// SPDX-License-Identifier: Apache-2.0
import { type OperationView, Verb } from '../operation.ts'
import type { Denial } from './denial.ts'
import { checkBoolean, checkKeys, checkWords } from './option-check.ts'
import { publishText, subscribeText } from './permission-policy.ts'

/** The verbs a policy can refuse; the others keep a connection alive and are always taken. */
export type RefusableVerb = 'PUB' | 'HPUB' | 'SUB' | 'UNSUB'

/** Which verbs clients may use. */
export interface VerbRule {
  readonly allow: readonly RefusableVerb[]
  /** Reports what would be refused and refuses nothing. Default false. */
  readonly dryRun?: boolean
}

const words = ['PUB', 'HPUB', 'SUB', 'UNSUB'] as const

/** A checked allow list of verbs. */
export class VerbPolicy {
  readonly #dryRun: boolean
  readonly #refused: readonly number[]

  constructor(where: string, options: VerbRule) {
    checkKeys(where, options, ['allow', 'dryRun'])
    if (options.allow === undefined) throw new TypeError(`${where}.allow must be a list of ${words.join(', ')}`)
    const allow = checkWords(`${where}.allow`, options.allow, words, words)
    this.#dryRun = checkBoolean(`${where}.dryRun`, options.dryRun, false)
    this.#refused = words.filter((word) => !allow.includes(word)).map((word) => Verb[word])
  }

  /** An UNSUB that is not allowed gets no text: the server has none for it. */
  check(view: OperationView): Denial | undefined {
    const { verb } = view
    if (!this.#refused.includes(verb)) return undefined
    const rest = { policy: 'verb', rule: 'verbs', closes: false, dryRun: this.#dryRun } as const
    if (verb === Verb.SUB) return { ...rest, code: 'subscribe_denied', text: subscribeText(view.subject, view.queue) }
    if (verb === Verb.UNSUB) return { ...rest, code: 'subscribe_denied', text: undefined }
    return { ...rest, code: 'publish_denied', text: publishText(view.subject) }
  }
}
