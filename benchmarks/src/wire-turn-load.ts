// SPDX-License-Identifier: Apache-2.0
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoadResult } from './load-result.ts'
import { WireClient } from './wire-client.ts'
import { failureOf, within, type WireLoadOptions } from './wire-load.ts'
import { clientFrame, deliveryBytes, publishOperation, replySubject, wireSubject } from './wire-operations.ts'

/** PING after PING, each sent when the last was answered. */
export async function runPingLoad(options: WireLoadOptions): Promise<LoadResult> {
  const client = await WireClient.open({ url: options.url })
  const bytes = framed(client, Buffer.from('PING\r\n'))
  const send = (answered: () => void): void => {
    client.onPong(answered)
    client.write(bytes)
  }
  return takeTurns([client], send, options)
}

/** Request after request to a responder on a connection of its own, each sent when the last was answered. */
export async function runRequestLoad(options: WireLoadOptions): Promise<LoadResult> {
  const { url, size } = options
  const on: { request?: () => void; reply?: () => void } = {}
  const [responder, requester] = await Promise.all([
    WireClient.open({
      url,
      deliveryBytes: deliveryBytes(wireSubject, size, replySubject),
      onDeliveries: () => on.request?.(),
    }),
    WireClient.open({ url, deliveryBytes: deliveryBytes(replySubject, size), onDeliveries: () => on.reply?.() }),
  ])
  await Promise.all([responder.subscribe(wireSubject), requester.subscribe(replySubject)])
  const reply = framed(responder, publishOperation(replySubject, size))
  const request = framed(requester, publishOperation(wireSubject, size, replySubject))
  on.request = () => void responder.write(reply)
  const send = (answered: () => void): void => {
    on.reply = answered
    requester.write(request)
  }
  return takeTurns([requester, responder], send, options)
}

function framed({ isWebSocket }: WireClient, bytes: Buffer): Buffer {
  return isWebSocket ? clientFrame(bytes) : bytes
}

async function takeTurns(
  clients: readonly WireClient[],
  send: (answered: () => void) => void,
  { durationMs, answerMs }: WireLoadOptions,
): Promise<LoadResult> {
  const latencies = new LatencyHistogram()
  const startedAt = performance.now()
  const turns = new Promise<void>((resolve) => {
    const next = (): void => {
      const sentAt = performance.now()
      if (sentAt - startedAt >= durationMs) {
        resolve()
        return
      }
      send(() => {
        latencies.record((performance.now() - sentAt) * 1000)
        next()
      })
    }
    next()
  })
  const orEnds = clients.map((client) => client.orEnd((resolve) => void turns.then(resolve)))
  try {
    const isDone = await within(Promise.race(orEnds), durationMs, answerMs)
    const seconds = (performance.now() - startedAt) / 1000
    const failed = isDone ? undefined : (clients.find(({ failure }) => failure !== undefined) ?? clients[0])
    const errors = failed === undefined ? {} : { [failureOf(failed)]: 1 }
    return { operations: latencies.total, seconds, errors, latencyCounts: latencies.counts() }
  } finally {
    for (const client of clients) client.close()
    await Promise.allSettled(orEnds)
  }
}
