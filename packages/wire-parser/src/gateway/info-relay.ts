// SPDX-License-Identifier: Apache-2.0
import { decodeInfo, type ServerInfo } from '../connect-json.ts'
import { encodeOperation } from '../encode.ts'
import { WireError } from '../wire-error.ts'
import { type Decision, forward } from './decision.ts'
import type { Outcome } from './flow.ts'
import { rewriteInfo } from './info-rewrite.ts'
import type { Session } from './session.ts'

/** Hands the server's INFO on: to the hook, then rewritten to the client. */
export class InfoRelay {
  readonly #session: Session
  #json: Uint8Array = new Uint8Array(0)

  constructor(session: Session) {
    this.#session = session
  }

  /** What the client is told first. Rejects with a WireError where the hook turns it away. */
  async first(json: Uint8Array, info: ServerInfo): Promise<Uint8Array> {
    this.#take(json, info)
    const { onInfo } = this.#session.hooks
    if (onInfo === undefined) return this.#rewritten(json, info)
    let decision: Decision = await this.#session.hookCalls.ask('onInfo', () => onInfo(info, this.#session))
    while (decision.action === 'delay') {
      await this.#session.sleep(decision.ms)
      decision = decision.after ?? forward()
    }
    return this.#decidedFirst(decision, json, info)
  }

  /** What is done with an INFO that comes later. */
  later(json: Uint8Array, info: ServerInfo): Outcome {
    this.#take(json, info)
    const { onInfo } = this.#session.hooks
    if (onInfo === undefined) return () => this.#session.sendToClient(this.#rewritten(json, info))
    const decision = this.#session.hookCalls.ask('onInfo', () => onInfo(info, this.#session))
    if (decision instanceof Promise) return decision.then((made) => this.#decidedLater(made, json, info))
    return this.#decidedLater(decision, json, info)
  }

  /** The INFO that asks the client to leave. */
  leaving(): Uint8Array | undefined {
    const { info } = this.#session
    return info === undefined ? undefined : this.#rewritten(this.#json, info)
  }

  #take(json: Uint8Array, info: ServerInfo): void {
    this.#json = json
    this.#session.informed(info)
  }

  #decidedFirst(decision: Decision, json: Uint8Array, info: ServerInfo): Uint8Array {
    switch (decision.action) {
      case 'forward':
        return this.#rewritten(json, info)
      case 'replace':
        return this.#replaced(decision)
      case 'respond':
        return Buffer.concat(decision.operations.map((operation) => encodeOperation(operation)))
      case 'deny': {
        const text = decision.text ?? 'Authorization Violation'
        throw new WireError('authorization', 'onInfo denies it', { text })
      }
      default:
        throw new WireError('internal', `onInfo: the first INFO cannot be answered with ${decision.action}`)
    }
  }

  #decidedLater(decision: Decision, json: Uint8Array, info: ServerInfo): Outcome {
    const session = this.#session
    switch (decision.action) {
      case 'forward':
        return () => session.sendToClient(this.#rewritten(json, info))
      case 'replace':
        return this.#replacedLater(decision)
      case 'delay':
        return session.sleep(decision.ms).then(() => this.#decidedLater(decision.after ?? forward(), json, info))
      case 'drop':
        return () => undefined
      case 'deny': {
        const error = new WireError('authorization', 'onInfo denies it', {
          text: decision.text ?? 'Authorization Violation',
        })
        return () => session.closing.fail('denied', error)
      }
      default:
        return session.answers.decision(decision, 'onInfo', undefined, () => '')
    }
  }

  #replacedLater(decision: Extract<Decision, { action: 'replace' }>): Outcome {
    const session = this.#session
    try {
      const bytes = this.#replaced(decision)
      return () => session.sendToClient(bytes)
    } catch (error) {
      return session.hookCalls.failed('onInfo', error)
    }
  }

  #replaced({ operations }: Extract<Decision, { action: 'replace' }>): Uint8Array {
    const only = operations[0]
    const info = only?.verb === 'INFO' ? decodeInfo(only.json) : undefined
    if (operations.length !== 1 || only?.verb !== 'INFO' || info === undefined) {
      throw new WireError('internal', 'onInfo: replace() of an INFO takes one INFO')
    }
    return this.#rewritten(only.json, info)
  }

  #rewritten(json: Uint8Array, info: ServerInfo): Uint8Array {
    const { origin, options, gateway, maxPayloadBytes } = this.#session
    const { advertise, advertiseWebSocket, hideInfo, authenticate } = options
    return rewriteInfo(json, info, {
      host: origin.host,
      port: origin.port,
      connectUrls: origin.transport === 'ws' ? advertiseWebSocket : advertise,
      tls: origin.tls,
      maxPayloadBytes,
      clientIp: origin.ip,
      authRequired: authenticate !== undefined,
      hidden: hideInfo,
      isLeaving: gateway.isDraining,
    })
  }
}
