// SPDX-License-Identifier: Apache-2.0
import type { WebSocket } from 'ws'
import type { Reply } from '../chain.ts'
import type { WsRequest } from '../request.ts'
import { WsError } from '../ws-error.ts'
import { PendingReplies } from './pending-replies.ts'
import type { MatchedReply, ReplyMatch, UpstreamMessage } from './reply-match.ts'
import { Upstream, type UpstreamOwner, type UpstreamRules } from './upstream.ts'

export interface MatchedOwner extends Pick<UpstreamOwner, 'ended' | 'writable'> {
  /** A message that answers nothing. */
  push(message: UpstreamMessage): void
  /** An answer nobody waits for any more. */
  unmatched(): void
}

/** A connection to a service whose answers find their requests. */
export class MatchedUpstream<U> implements UpstreamOwner {
  readonly upstream: Upstream
  readonly pending: PendingReplies
  readonly #match: ReplyMatch<U>
  readonly #owner: MatchedOwner

  constructor(
    dial: () => WebSocket,
    rules: UpstreamRules & { readonly timeoutMs: number; readonly match: ReplyMatch<U> },
    owner: MatchedOwner,
  ) {
    this.upstream = new Upstream(dial, rules, this)
    this.pending = new PendingReplies(rules.timeoutMs)
    this.#match = rules.match
    this.#owner = owner
  }

  /** Sends a request and waits for its answer, if there will be one. */
  ask(request: WsRequest<U>): Promise<Reply> | undefined {
    if (!this.#match.isAnswered(request)) return this.#deliver(this.#match.write(request, undefined), request.signal)
    const id = this.pending.nextId()
    const message = this.#match.write(request, id)
    const reply = this.pending.wait(id, request, () => this.#cancel(id))
    this.#deliver(message, request.signal)?.catch((error: unknown) => this.pending.fail(id, WsError.from(error)))
    return reply
  }

  message(message: UpstreamMessage): void {
    const reply = this.#read(message)
    if (reply === undefined) this.#owner.push(message)
    else if (!this.pending.take(reply)) this.#owner.unmatched()
  }

  lost(error: WsError): void {
    this.pending.failAll(error)
  }

  ended(code: number, reason: string, error: WsError | undefined): void {
    this.#owner.ended(code, reason, error)
  }

  writable(): void {
    this.#owner.writable()
  }

  close(code: number, reason: string): void {
    this.upstream.close(code, reason)
    this.pending.failAll(new WsError('upstream_closed'))
  }

  #deliver(message: string | Uint8Array, signal: AbortSignal): Promise<void> | undefined {
    const binary = typeof message !== 'string'
    if (!this.upstream.isOpen) return this.upstream.whenOpen(() => this.upstream.send(message, binary), signal)
    this.upstream.send(message, binary)
    return undefined
  }

  #cancel(id: string): void {
    const message = this.#match.cancel?.(id)
    if (message !== undefined && this.upstream.isOpen) this.upstream.send(message, typeof message !== 'string')
  }

  #read(message: UpstreamMessage): MatchedReply | undefined {
    try {
      return this.#match.read(message)
    } catch {
      return undefined
    }
  }
}
