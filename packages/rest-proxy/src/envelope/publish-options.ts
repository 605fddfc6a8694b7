// SPDX-License-Identifier: Apache-2.0
import { encodeHeaderLines } from '@nats-edge/wire-parser'
import { hasControl } from '../header-value.ts'
import { checkKeys, checkWhole, checkWord, show } from '../option-check.ts'

/** When a published message counts as accepted. */
export type Confirm = 'none' | 'flush' | 'jetstream'

/** What a stream must look like for the message to be stored; a mismatch answers 409 or 412. */
export interface PublishExpectations {
  readonly stream?: string
  /** Sequence of the stream's last message. */
  readonly lastSequence?: number
  /** Sequence of the last message on the same subject; 0: there is none yet. */
  readonly lastSubjectSequence?: number
  readonly lastMessageId?: string
}

export interface PublishOptions {
  /**
   * `none`: written to a live connection; `flush`: the server has it; `jetstream`: a stream has stored it. Default
   * `none`.
   */
  readonly confirm?: Confirm
  /** For `jetstream` only. */
  readonly expect?: PublishExpectations
}

export interface PublishRules {
  readonly confirm: Confirm
  /** Header lines that never change, encoded. */
  readonly lines: Uint8Array | undefined
}

/** Throws TypeError or RangeError naming the option. */
export function resolvePublish(where: string, options: PublishOptions = {}): PublishRules {
  checkKeys(where, options, ['confirm', 'expect'])
  const confirm = checkWord(`${where}.confirm`, options.confirm, ['none', 'flush', 'jetstream'], 'none')
  const { expect } = options
  if (expect === undefined) return { confirm, lines: undefined }
  if (confirm !== 'jetstream') throw new TypeError(`${where}.expect has no effect with confirm "${confirm}"`)
  checkKeys(`${where}.expect`, expect, ['stream', 'lastSequence', 'lastSubjectSequence', 'lastMessageId'])
  const entries: [string, string][] = []
  const text = (key: 'stream' | 'lastMessageId', header: string): void => {
    const value = expect[key]
    if (value === undefined) return
    if (typeof value !== 'string' || value === '' || hasControl(value)) {
      throw new TypeError(`${where}.expect.${key} must be a text, not ${show(value)}`)
    }
    entries.push([header, value])
  }
  const sequence = (key: 'lastSequence' | 'lastSubjectSequence', header: string): void => {
    const value = expect[key]
    if (value !== undefined) entries.push([header, String(checkWhole(`${where}.expect.${key}`, value, 0, 0))])
  }
  text('stream', 'Nats-Expected-Stream')
  sequence('lastSequence', 'Nats-Expected-Last-Sequence')
  sequence('lastSubjectSequence', 'Nats-Expected-Last-Subject-Sequence')
  text('lastMessageId', 'Nats-Expected-Last-Msg-Id')
  return { confirm, lines: encodeHeaderLines(entries) }
}
