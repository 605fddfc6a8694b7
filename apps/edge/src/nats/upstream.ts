// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises'
import type { Leaving } from '@nats-edge/wire-parser/bus'
import type { NatsConnection, Stats } from '@nats-io/nats-core'
import { connectNats, withoutPassword } from '../nats.ts'
import type { NatsTarget } from '../nats.ts'
import { growingPauses } from './reconnect-delay.ts'

/** The edge's connection to NATS, and while a broker leaves, the one before it. */
export class Upstream {
  readonly #left = new Set<NatsConnection>()
  readonly #before: Stats = { inMsgs: 0, outMsgs: 0, inBytes: 0, outBytes: 0 }
  #target: NatsTarget | undefined
  #current: NatsConnection | undefined

  get current(): NatsConnection | undefined {
    return this.#current
  }

  /** What all connections together have carried. */
  get traffic(): Stats {
    const sum = { ...this.#before }
    for (const nats of this.#left) add(sum, nats.stats())
    if (this.#current !== undefined) add(sum, this.#current.stats())
    return sum
  }

  async connect(target: NatsTarget): Promise<NatsConnection> {
    this.#target = target
    this.#current = await connectNats(target)
    return this.#current
  }

  /** Makes a connection to another broker, as the one there is about to stop; rejects when that has stopped before. */
  async leave(leaving: Leaving): Promise<NatsConnection> {
    const target = this.#target
    if (target === undefined) throw new TypeError('there is no connection to leave')
    const { log } = target
    const from = withoutPassword(leaving.nats.getServer())
    log.info({ server: from }, 'the broker is about to stop (lame duck); looking for another one')
    const next = await another(target, leaving)
    this.#left.add(leaving.nats)
    this.#current = next
    log.info({ from, to: withoutPassword(next.getServer()) }, 'moved to another broker')
    void leaving.done.then(async () => {
      await this.#forget(leaving.nats)
      log.info({ from }, 'left the broker that stops')
    })
    return next
  }

  /** Lets everything be answered, where there is a broker to answer; no later than `timeoutMs` all is closed. */
  async close(timeoutMs: number, isConnected: boolean): Promise<void> {
    const timer = new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref())
    await Promise.all(Array.from(this.#left, (nats) => Promise.race([nats.close(), timer])))
    const nats = this.#current
    if (nats === undefined) return
    // drain() waits for ever on a broker that is gone.
    await Promise.race([isConnected ? nats.drain().catch(() => {}) : Promise.resolve(), timer])
    if (!nats.isClosed()) await Promise.race([nats.close(), timer])
  }

  async #forget(nats: NatsConnection): Promise<void> {
    add(this.#before, nats.stats())
    this.#left.delete(nats)
    await nats.close()
  }
}

// Every edge at that broker does the same at this moment, hence the pauses.
async function another(target: NatsTarget, leaving: Leaving): Promise<NatsConnection> {
  const signal = AbortSignal.any([target.signal, leaving.signal])
  const servers = [...target.servers, ...discovered(target, leaving.nats)]
  const nextPause = growingPauses()
  for (;;) {
    await delay(nextPause(), undefined, { signal })
    const nats = await connectNats({ ...target, servers, signal, config: { ...target.config, waitOnStart: true } })
    // What is in front of the brokers may lead to the same one again.
    const isUseful = !signal.aborted && nats.info?.ldm !== true
    if (isUseful) return nats
    await nats.close()
    signal.throwIfAborted()
  }
}

/** Servers the broker has told of that the configuration does not name. */
function discovered(target: NatsTarget, nats: NatsConnection): readonly string[] {
  const named = new Set(target.servers.map((server) => server.replace(/^[a-z]+:\/\//i, '')))
  return (nats.info?.connect_urls ?? []).filter((hostAndPort) => !named.has(hostAndPort))
}

function add(sum: Stats, more: Stats): void {
  sum.inMsgs += more.inMsgs
  sum.outMsgs += more.outMsgs
  sum.inBytes += more.inBytes
  sum.outBytes += more.outBytes
}
