// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import { Verb, type VerbCode } from '../operation.ts'
import { matches, parsePattern, type Pattern } from '../pattern.ts'
import { parseSubject } from '../subject.ts'
import type { Denial } from './denial.ts'
import { checkBoolean, checkKeys, checkTexts, checkWhole, checkWord, checkWords } from './option-check.ts'
import { SubjectVerdicts } from './subject-verdicts.ts'

/** A bound for headers and payload of PUB and HPUB, below that of the server. */
export interface PayloadRule {
  readonly maxBytes: number
  /** Only subjects within these patterns. Default: all. */
  readonly subjects?: readonly string[]
  /** Default: both. */
  readonly verbs?: readonly ('PUB' | 'HPUB')[]
  /** `close` ends the connection as the server does, `error` loses the message and says so. Default `close`. */
  readonly action?: 'close' | 'error'
  /** Reports what would be refused and refuses nothing. Default false. */
  readonly dryRun?: boolean
}

const keys = ['maxBytes', 'subjects', 'verbs', 'action', 'dryRun'] as const
const anySubject = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** A checked rule, shared by all connections. */
export class PayloadLimit {
  readonly denial: Denial
  readonly #maxBytes: number
  readonly #patterns: readonly Pattern[]
  readonly #pub: boolean
  readonly #hpub: boolean

  constructor(where: string, options: PayloadRule) {
    checkKeys(where, options, keys)
    if (options.maxBytes === undefined) throw new TypeError(`${where}.maxBytes is missing`)
    this.#maxBytes = checkWhole(`${where}.maxBytes`, options.maxBytes, 0, { least: 0 })
    this.#patterns = checkTexts(`${where}.subjects`, options.subjects, []).map((text) => {
      const pattern = parsePattern(text)
      if (pattern !== undefined) return pattern
      throw new TypeError(`${where}.subjects: ${JSON.stringify(text)} is not a subject pattern`)
    })
    const verbs = checkWords(`${where}.verbs`, options.verbs, ['PUB', 'HPUB'], ['PUB', 'HPUB'])
    this.#pub = verbs.includes('PUB')
    this.#hpub = verbs.includes('HPUB')
    const action = checkWord(`${where}.action`, options.action, ['close', 'error'], 'close')
    this.denial = Object.freeze({
      policy: 'payload',
      rule: where,
      code: 'payload_too_large',
      text: 'Maximum Payload Violation',
      closes: action === 'close',
      dryRun: checkBoolean(`${where}.dryRun`, options.dryRun, false),
    })
  }

  get hasSubjects(): boolean {
    return this.#patterns.length > 0
  }

  /** Whether a message of that size is too large wherever the rule concerns its subject. */
  exceeds(verb: VerbCode, bytes: number): boolean {
    return bytes > this.#maxBytes && (verb === Verb.PUB ? this.#pub : this.#hpub)
  }

  concerns(text: string): boolean {
    const subject = parseSubject(text, anySubject)
    // What the gate does not take as a subject must not slip past a limit.
    return subject === undefined || this.#patterns.some((pattern) => matches(pattern, subject))
  }
}

/** The rule as one connection meets it. */
export class PayloadCheck {
  readonly #limit: PayloadLimit
  readonly #subjects: SubjectVerdicts | undefined

  constructor(limit: PayloadLimit) {
    this.#limit = limit
    this.#subjects = limit.hasSubjects ? new SubjectVerdicts((subject) => limit.concerns(subject)) : undefined
  }

  check(view: OperationView): Denial | undefined {
    const { denial } = this.#limit
    if (!this.#limit.exceeds(view.verb, view.totalBytes)) return undefined
    return this.#subjects === undefined || this.#subjects.of(view) ? denial : undefined
  }

  checkText(verb: VerbCode, subject: string, bytes: number): Denial | undefined {
    if (!this.#limit.exceeds(verb, bytes)) return undefined
    return this.#subjects === undefined || this.#subjects.ofText(subject) ? this.#limit.denial : undefined
  }
}
