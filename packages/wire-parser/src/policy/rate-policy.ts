// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import { LruMap } from '../lru-map.ts'
import { matches, parsePattern, type Pattern } from '../pattern.ts'
import { parseSubject } from '../subject.ts'
import { TokenBucket } from '../token-bucket.ts'
import type { Denial } from './denial.ts'
import { checkBoolean, checkKeys, checkRate, checkTexts, checkWhole, checkWord } from './option-check.ts'
import { SubjectVerdicts } from './subject-verdicts.ts'

/** A rate for PUB and HPUB. */
export interface RateRule {
  /**
   * Who shares a bucket: each connection, each user and each address has its own, or `all` share one, which with
   * `subjects` is a limit by subject.
   */
  readonly by: 'connection' | 'user' | 'ip' | 'all'
  /** Only subjects within these patterns count. Default: all. */
  readonly subjects?: readonly string[]
  readonly messagesPerSecond?: number
  readonly bytesPerSecond?: number
  /** Messages that may come at once. Default: those of one second, at least 1. */
  readonly burstMessages?: number
  /** Bytes that may come at once; a larger message takes all of them. Default: those of one second, at least 1048576. */
  readonly burstBytes?: number
  /**
   * What happens above it: `delay` holds the client back, `drop` loses the message without a word, `error` says so and
   * `close` ends the connection as well. Default `delay`.
   */
  readonly action?: 'delay' | 'drop' | 'error' | 'close'
  /** Users or addresses remembered; the least recently seen leaves. Default 10000. */
  readonly maxKeys?: number
  /** Reports what would be limited and limits nothing. Default false. */
  readonly dryRun?: boolean
}

const keys = [
  'by',
  'subjects',
  'messagesPerSecond',
  'bytesPerSecond',
  'burstMessages',
  'burstBytes',
  'action',
  'maxKeys',
  'dryRun',
] as const

const anySubject = { maxBytes: Infinity, maxTokens: Infinity, embeddedWildcards: true }

/** What a rate counts by, known for each connection. */
export interface RateKeys {
  readonly user: string | undefined
  readonly ip: string
}

/** Messages and bytes of one key. */
class Bucket {
  readonly #messages: TokenBucket | undefined
  readonly #bytes: TokenBucket | undefined
  readonly #burstBytes: number

  constructor(rule: RateLimit) {
    const { messagesPerSecond, bytesPerSecond, burstMessages, burstBytes } = rule
    this.#messages =
      messagesPerSecond === undefined
        ? undefined
        : new TokenBucket({ ratePerSecond: messagesPerSecond, burst: burstMessages })
    this.#bytes =
      bytesPerSecond === undefined ? undefined : new TokenBucket({ ratePerSecond: bytesPerSecond, burst: burstBytes })
    this.#burstBytes = burstBytes
  }

  /** Takes one message of that size and returns 0, or takes nothing and returns the milliseconds to wait. */
  take(nowMs: number, bytes: number): number {
    const messages = this.#messages
    if (messages !== undefined && messages.remaining(nowMs) < 1) return messages.take(nowMs)
    const waitMs = this.#bytes?.take(nowMs, Math.min(bytes, this.#burstBytes)) ?? 0
    return waitMs > 0 ? waitMs : (messages?.take(nowMs) ?? 0)
  }
}

/** One rate with its buckets, which live as long as the rule is in the options. */
export class RateLimit {
  readonly options: RateRule
  readonly by: RateRule['by']
  readonly action: NonNullable<RateRule['action']>
  readonly messagesPerSecond: number | undefined
  readonly bytesPerSecond: number | undefined
  readonly burstMessages: number
  readonly burstBytes: number
  readonly denial: Denial
  readonly #patterns: readonly Pattern[]
  readonly #buckets: LruMap<string, Bucket>

  constructor(where: string, options: RateRule) {
    checkKeys(where, options, keys)
    this.options = options
    this.by = checkWord(`${where}.by`, options.by, ['connection', 'user', 'ip', 'all'], 'connection')
    if (options.by === undefined) throw new TypeError(`${where}.by must be one of connection, user, ip, all`)
    this.action = checkWord(`${where}.action`, options.action, ['delay', 'drop', 'error', 'close'], 'delay')
    this.messagesPerSecond = checkRate(`${where}.messagesPerSecond`, options.messagesPerSecond)
    this.bytesPerSecond = checkRate(`${where}.bytesPerSecond`, options.bytesPerSecond)
    if (this.messagesPerSecond === undefined && this.bytesPerSecond === undefined) {
      throw new TypeError(`${where} needs messagesPerSecond or bytesPerSecond`)
    }
    const burstMessages = Math.max(1, Math.ceil(this.messagesPerSecond ?? 1))
    const burstBytes = Math.max(1_048_576, Math.ceil(this.bytesPerSecond ?? 1))
    this.burstMessages = checkWhole(`${where}.burstMessages`, options.burstMessages, burstMessages)
    this.burstBytes = checkWhole(`${where}.burstBytes`, options.burstBytes, burstBytes)
    this.#buckets = new LruMap(checkWhole(`${where}.maxKeys`, options.maxKeys, 10_000))
    this.#patterns = checkTexts(`${where}.subjects`, options.subjects, []).map((text) => patternOf(where, text))
    const isSilent = this.action === 'drop'
    this.denial = Object.freeze({
      policy: 'rate',
      rule: where,
      code: 'rate_limited',
      text: isSilent ? undefined : 'Rate Limit Exceeded',
      closes: this.action === 'close',
      dryRun: checkBoolean(`${where}.dryRun`, options.dryRun, false),
    })
  }

  get hasSubjects(): boolean {
    return this.#patterns.length > 0
  }

  /** Whether the rate counts messages on this subject. */
  concerns(text: string): boolean {
    const subject = parseSubject(text, anySubject)
    // What the gate does not take as a subject must not slip past a limit.
    return subject === undefined || this.#patterns.some((pattern) => matches(pattern, subject))
  }

  /** The bucket of a key; `connection` has one that nobody else finds. */
  bucket(key: string | undefined): Bucket {
    if (key === undefined) return new Bucket(this)
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    const bucket = new Bucket(this)
    this.#buckets.set(key, bucket)
    return bucket
  }
}

function patternOf(where: string, text: string): Pattern {
  const pattern = parsePattern(text)
  if (pattern !== undefined) return pattern
  throw new TypeError(`${where}.subjects: ${JSON.stringify(text)} is not a subject pattern`)
}

/** One rate as one connection meets it. */
export class RateCheck {
  readonly limit: RateLimit
  readonly #bucket: Bucket
  readonly #subjects: SubjectVerdicts | undefined

  constructor(limit: RateLimit, { user, ip }: RateKeys) {
    this.limit = limit
    const key = { connection: undefined, user: `user ${user ?? ''}`, ip: `ip ${ip}`, all: 'all' }[limit.by]
    this.#bucket = limit.bucket(key)
    this.#subjects = limit.hasSubjects ? new SubjectVerdicts((subject) => limit.concerns(subject)) : undefined
  }

  /** The check after the client said who it is; only buckets of users change, so that saying it again empties none. */
  forUser(keys: RateKeys): RateCheck {
    return this.limit.by === 'user' ? new RateCheck(this.limit, keys) : this
  }

  /** Milliseconds until the message may pass; 0 where it may, and is counted. */
  take(view: OperationView, nowMs: number): number {
    if (this.#subjects !== undefined && !this.#subjects.of(view)) return 0
    return this.#bucket.take(nowMs, view.totalBytes)
  }

  takeText(subject: string, bytes: number, nowMs: number): number {
    if (this.#subjects !== undefined && !this.#subjects.ofText(subject)) return 0
    return this.#bucket.take(nowMs, bytes)
  }
}
