// SPDX-License-Identifier: Apache-2.0
import type { Reply } from '../chain.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { MatchedUpstream } from './matched-upstream.ts'
import type { ReplyMatch } from './reply-match.ts'
import type { WsBackendRules } from './ws-backend-options.ts'

/** A few connections to a service, for all clients. */
export class SharedLinks<U> {
  readonly #rules: WsBackendRules<U> & { readonly match: ReplyMatch<U> }
  readonly #links: (MatchedUpstream<U> | undefined)[]
  unmatched = 0

  constructor(rules: WsBackendRules<U>, match: ReplyMatch<U>, share: number) {
    this.#rules = { ...rules, match }
    this.#links = Array.from({ length: share }, () => undefined)
  }

  get pending(): number {
    return this.#links.reduce((sum, link) => sum + (link?.pending.size ?? 0), 0)
  }

  get connections(): number {
    return this.#links.filter((link) => link?.upstream.isOpen === true).length
  }

  handle(request: WsRequest<U>): Promise<Reply> | undefined {
    if (this.pending >= this.#rules.maxPending) throw new WsError('overloaded')
    const link = this.#leastBusy()
    if (link.upstream.isFull) throw new WsError('overloaded')
    return link.ask(request)
  }

  close(code: number): void {
    for (const [index, link] of this.#links.entries()) {
      this.#links[index] = undefined
      link?.close(code, '')
    }
  }

  /** The one with the fewest waiting requests; one that is not there yet comes before one that is at work. */
  #leastBusy(): MatchedUpstream<U> {
    let best = 0
    let fewest = Infinity
    for (const [index, link] of this.#links.entries()) {
      const waiting = link?.pending.size ?? 0
      if (waiting < fewest) [best, fewest] = [index, waiting]
    }
    return (this.#links[best] ??= this.#open(best))
  }

  #open(index: number): MatchedUpstream<U> {
    const link: MatchedUpstream<U> = new MatchedUpstream(() => this.#rules.dial(undefined), this.#rules, {
      push: (message) => {
        if (this.#rules.onPush === undefined) this.unmatched += 1
        else this.#rules.onPush(message)
      },
      unmatched: () => void (this.unmatched += 1),
      ended: () => {
        if (this.#links[index] === link) this.#links[index] = undefined
      },
      writable: () => {},
    })
    return link
  }
}
