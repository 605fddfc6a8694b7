// SPDX-License-Identifier: Apache-2.0
import { array, assert, constantFrom, property } from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { AckLedger } from './ack-ledger.ts'

/** A connection on paper: what the client said, what the server answers, what the client hears. */
class Paper {
  readonly heard: string[] = []
  readonly #ledger = new AckLedger()
  readonly #server: string[] = []

  forward(answer: string): void {
    this.#ledger.sent()
    this.#server.push(answer)
  }

  swallow(answer: string): void {
    this.#ledger.answer(() => this.heard.push(answer))
  }

  replace(answers: readonly string[], isAnswered = false): void {
    this.#ledger.group(answers.length, isAnswered)
    for (const answer of answers) this.forward(answer)
  }

  ping(): void {
    this.#ledger.pinged()
    this.#server.push('PONG')
  }

  /** The server says the next thing. */
  next(): boolean {
    const answer = this.#server.shift()
    if (answer === undefined) return false
    if (answer === 'PONG') {
      this.#ledger.ponged()
      this.heard.push(answer)
    } else if (this.#ledger.seen(answer.startsWith('-ERR'))) {
      this.heard.push(answer)
    }
    this.#ledger.settle()
    return true
  }

  all(): string[] {
    while (this.next());
    return this.heard
  }
}

describe('AckLedger', () => {
  it('answers at once where nothing is under way', () => {
    const paper = new Paper()
    paper.swallow('own')
    expect(paper.heard).toEqual(['own'])
  })

  it('keeps its own answers behind those to earlier commands', () => {
    const paper = new Paper()
    paper.forward('1')
    paper.swallow('own 2')
    paper.forward('3')
    paper.swallow('own 4')
    expect(paper.heard).toEqual([])
    expect(paper.all()).toEqual(['1', 'own 2', '3', 'own 4'])
  })

  it.each([
    [['+OK', '+OK', '+OK'], false, ['+OK']],
    [['+OK', '-ERR x', '+OK'], false, ['-ERR x']],
    [['-ERR x', '+OK', '-ERR y'], false, ['-ERR x']],
    [['+OK'], true, []],
    [['-ERR x', '+OK'], true, []],
  ] as const)('makes one answer, or none, of %j', (answers, isAnswered, heard) => {
    const paper = new Paper()
    paper.forward('before')
    paper.replace(answers, isAnswered)
    paper.forward('behind')
    expect(paper.all()).toEqual(['before', ...heard, 'behind'])
  })

  it('gives what it owes before a PONG, also where the server counted in another way', () => {
    const ledger = new AckLedger()
    const heard: string[] = []
    ledger.sent()
    ledger.sent()
    ledger.answer(() => heard.push('own'))
    ledger.pinged()
    ledger.seen(false)
    ledger.settle()
    expect(heard).toEqual([])
    ledger.ponged()
    expect(heard).toEqual(['own'])
    ledger.answer(() => heard.push('next'))
    expect(heard).toEqual(['own', 'next'])
  })

  it('gives one answer for each command in the order of the commands, whatever comes when', () => {
    const step = constantFrom('forward', 'swallow', 'replace', 'hidden', 'ping', 'next')
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        const paper = new Paper()
        const expected: string[] = []
        steps.forEach((what, i) => {
          if (what === 'next') paper.next()
          else if (what === 'hidden') paper.replace(['hidden'], true)
          else {
            expected.push(what === 'ping' ? 'PONG' : `${i}`)
            if (what === 'forward') paper.forward(`${i}`)
            else if (what === 'swallow') paper.swallow(`${i}`)
            else if (what === 'replace') paper.replace(['lost', 'lost', `${i}`])
            else paper.ping()
          }
        })
        expect(paper.all()).toEqual(expected)
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
