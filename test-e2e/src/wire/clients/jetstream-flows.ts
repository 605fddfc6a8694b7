// SPDX-License-Identifier: Apache-2.0
import {
  type Consumer,
  type ConsumerInfo,
  type ConsumerMessages,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import { headers, nanos, type NatsConnection } from '@nats-io/nats-core'
import { bytesOf, digest, failureOf, type Flow, type Open } from './flow.ts'

type Run = Parameters<Flow['run']>

/** Streams and consumers. */
export const jetstreamFlows: readonly Flow[] = [
  { name: 'publishes to a stream, once each and in turn', run: publishes },
  { name: 'fetches and acknowledges', run: fetches },
  { name: 'consumes, refuses, gives up', run: consumes },
  { name: 'consumes in order and goes on where it was', run: ordered },
  { name: 'is pushed what comes, with flow control', run: pushed },
  { name: 'gets, lists and removes messages', run: manages },
  { name: 'filters by several subjects', needs: '>=2.10.0', run: manyFilters },
  { name: 'pauses a consumer', needs: '>=2.11.0', run: pauses },
]

async function withStream(open: Open, work: (nats: NatsConnection) => Promise<void>): Promise<void> {
  const nats = await open()
  const manager = await jetstreamManager(nats)
  await manager.streams.add({
    name: 'FLOW',
    subjects: ['flow.>'],
    // A server that is slow to remove the files of the last one finds them again in the next of that name.
    storage: 'memory',
    duplicate_window: nanos(60_000),
    allow_direct: true,
  })
  try {
    await work(nats)
  } finally {
    await manager.streams.delete('FLOW')
  }
}

async function publishes(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    for (const size of [0, 10, 70_000, 900_000]) note(`${size}`, await js.publish(`flow.${size}`, bytesOf(size)))
    note('first', await js.publish('flow.once', 'x', { msgID: 'one' }))
    note('again', await js.publish('flow.once', 'x', { msgID: 'one' }))
    const wrong = { expect: { lastSequence: 77 } }
    note('not in turn', await failureOf(js.publish('flow.turn', 'x', wrong)))
    note('in turn', await js.publish('flow.turn', 'x', { expect: { lastSequence: 5, streamName: 'FLOW' } }))
    note('no stream', await failureOf(js.publish('elsewhere', 'x', { timeout: 2000, retries: 0 })))
    const many = await Promise.all(Array.from({ length: 200 }, (_, i) => js.publish('flow.many', `${i}`)))
    note('many', many.map(({ seq }) => seq).join())
  })
}

async function fetches(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    const manager = await jetstreamManager(nats)
    for (let i = 0; i < 30; i++) await js.publish(`flow.${i % 3}`, bytesOf(i * 500))
    await manager.consumers.add('FLOW', { durable_name: 'worker', ack_policy: 'explicit' })
    const consumer = await js.consumers.get('FLOW', 'worker')
    for await (const message of await consumer.fetch({ max_messages: 20, expires: 10_000 })) {
      note(message.subject, [message.seq, digest(message.data), message.info.pending])
      await message.ackAck()
    }
    const next = await consumer.next({ expires: 10_000 })
    note('next', [next?.seq, await next?.ackAck()])
    const some: number[] = []
    const fetched = await consumer.fetch({ max_bytes: 30_000, expires: 10_000 })
    note('by size', [await failureOf(drainConsumer(fetched, some)), some])
    const { num_ack_pending, num_pending, delivered } = await acknowledged(consumer)
    note('state', [num_ack_pending, num_pending, delivered.consumer_seq])
    const rest: number[] = []
    await drainConsumer(await consumer.fetch({ max_messages: num_pending, expires: 10_000 }), rest)
    note('rest', rest)
    // A server that is held up for as long as two of its signs of life are apart would be given up.
    note('nothing more', await consumer.next({ expires: 2000 }))
  })
}

/** What a consumer says once all it was told has reached it, which is some time after the server has read it. */
async function acknowledged(consumer: Consumer): Promise<ConsumerInfo> {
  for (const end = performance.now() + 10_000; ;) {
    const info = await consumer.info()
    if (info.num_ack_pending === 0 || performance.now() > end) return info
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function drainConsumer(messages: ConsumerMessages, seen: number[]): Promise<void> {
  for await (const message of messages) {
    seen.push(message.seq)
    message.ack()
  }
}

async function consumes(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    const manager = await jetstreamManager(nats)
    for (let i = 1; i <= 5; i++) await js.publish(`flow.${i}`, `${i}`)
    await manager.consumers.add('FLOW', { durable_name: 'picky', ack_policy: 'explicit', max_deliver: 3 })
    const consumer = await js.consumers.get('FLOW', 'picky')
    const seen: string[] = []
    const messages = await consumer.consume({ max_messages: 10 })
    for await (const message of messages) {
      const { deliveryCount } = message.info
      seen.push(`${message.seq} delivered ${deliveryCount}`)
      if (message.seq === 2 && deliveryCount < 3) message.nak()
      else if (message.seq === 3) message.term()
      else {
        message.working()
        message.ack()
      }
      if (seen.length === 7) messages.stop()
    }
    note('seen', seen.toSorted())
    note('pending', (await acknowledged(consumer)).num_ack_pending)
  })
}

async function ordered(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    for (let i = 0; i < 300; i++) nats.publish(i % 2 === 0 ? 'flow.even' : 'flow.odd', `${i}`)
    await nats.flush()
    const consumer = await js.consumers.get('FLOW', { filter_subjects: 'flow.even' })
    const seen: number[] = []
    const messages = await consumer.consume({ max_messages: 50 })
    for await (const message of messages) {
      seen.push(message.seq)
      if (message.info.pending === 0) messages.stop()
    }
    note('seen', seen.join())
    const from = await js.consumers.get('FLOW', { opt_start_seq: 250, deliver_policy: 'by_start_sequence' })
    const first = await from.next({ expires: 10_000 })
    note('from', [first?.seq, first?.string()])
  })
}

async function pushed(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    const manager = await jetstreamManager(nats)
    await manager.consumers.add('FLOW', {
      durable_name: 'pushed',
      deliver_subject: 'deliver.here',
      ack_policy: 'explicit',
      flow_control: true,
      idle_heartbeat: nanos(1000),
    })
    const consumer = await js.consumers.getPushConsumer('FLOW', 'pushed')
    const messages = await consumer.consume()
    for (let i = 0; i < 100; i++) nats.publish('flow.pushed', bytesOf(i * 300))
    const seen: string[] = []
    for await (const message of messages) {
      seen.push(`${message.seq} ${digest(message.data)}`)
      message.ack()
      if (seen.length === 100) messages.stop()
    }
    note('seen', seen)
  })
}

async function manages(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    const manager = await jetstreamManager(nats)
    const marked = headers()
    marked.set('Mark', 'here')
    await js.publish('flow.a', 'one', { headers: marked })
    for (const name of ['b', 'c']) await js.publish(`flow.${name}`, name)
    const stored = await manager.streams.getMessage('FLOW', { seq: 1 })
    note('stored', [stored?.subject, stored?.string(), stored?.header.get('Mark')])
    const direct = await manager.direct.getMessage('FLOW', { last_by_subj: 'flow.b' })
    note('direct', [direct?.subject, direct?.string(), direct?.seq])
    note('missing', await failureOf(manager.direct.getMessage('FLOW', { seq: 99 }).then((found) => found ?? 'nothing')))
    note('removed', await manager.streams.deleteMessage('FLOW', 2))
    const { state } = await manager.streams.info('FLOW', { subjects_filter: '>' })
    note('state', [state.messages, state.num_deleted, state.subjects])
    note('purged', await manager.streams.purge('FLOW', { filter: 'flow.c' }))
    note('no such stream', await failureOf(manager.streams.info('NONE')))
    const names: string[] = []
    for await (const name of manager.streams.names()) names.push(name)
    note('names', names)
  })
}

async function manyFilters(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const js = jetstream(nats)
    for (const name of ['a', 'b', 'c', 'a', 'b']) await js.publish(`flow.${name}`, name)
    const consumer = await js.consumers.get('FLOW', { filter_subjects: ['flow.a', 'flow.c'] })
    const seen: string[] = []
    for await (const message of await consumer.fetch({ max_messages: 3, expires: 10_000 })) seen.push(message.subject)
    note('seen', seen)
  })
}

async function pauses(...[open, note]: Run): Promise<void> {
  await withStream(open, async (nats) => {
    const manager = await jetstreamManager(nats)
    await manager.consumers.add('FLOW', { durable_name: 'paused', ack_policy: 'explicit' })
    note('paused', (await manager.consumers.pause('FLOW', 'paused', new Date(Date.now() + 60_000))).paused)
    await jetstream(nats).publish('flow.a')
    note('resumed', (await manager.consumers.resume('FLOW', 'paused')).paused)
    const consumer = await jetstream(nats).consumers.get('FLOW', 'paused')
    note('after', (await consumer.next({ expires: 10_000 }))?.subject)
  })
}
