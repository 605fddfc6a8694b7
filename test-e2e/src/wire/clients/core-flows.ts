// SPDX-License-Identifier: Apache-2.0
import { headers, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { eventually } from '../web-socket-rig.ts'
import { bytesOf, digest, failureOf, type Flow } from './flow.ts'

/** What needs nothing but the server itself. */
export const coreFlows: readonly Flow[] = [
  { name: 'INFO says the same about the server', run: info },
  { name: 'publishes and subscribes, from nothing to a megabyte', run: publishes },
  { name: 'subscribes to wildcards and unsubscribes', run: wildcards },
  { name: 'asks and answers, with headers', run: requests },
  { name: 'asks many who answer', run: requestsMany },
  { name: 'learns that nobody answers, or nobody in time', run: noResponders },
  { name: 'shares work in queue groups', run: queueGroups },
  { name: 'sends headers of every kind', run: allHeaders },
  { name: 'is refused what is too large', run: tooLarge },
  { name: 'gets ten thousand messages in order', run: order },
  { name: 'drains subscriptions and connections', run: drains },
  { name: 'does not hear itself where it does not want to', run: statistics },
]

const told = ['version', 'proto', 'headers', 'max_payload', 'jetstream', 'auth_required', 'tls_required', 'domain']

async function info(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const nats = await open()
  await nats.flush()
  const { info = {} } = nats
  for (const field of told) note(field, Reflect.get(info, field) ?? null)
  note('answers', (await nats.rtt()) >= 0)
}

async function publishes(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const [from, to] = [await open('from'), await open('to')]
  const got = collect(to, 'sizes.*')
  await to.flush()
  for (const size of [0, 1, 17, 4096, 65_535, 65_536, 65_537, 200_000, 1_048_576]) {
    from.publish(`sizes.${size}`, bytesOf(size), size % 2 === 0 ? {} : { reply: `answer.${size}` })
  }
  from.publish('sizes.text', 'grüße ✓ \r\nPING\r\n')
  await eventually(() => got.length === 10)
  for (const message of got) note(message.subject, [message.reply ?? null, digest(message.data)])
}

async function wildcards(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const nats = await open()
  const all = collect(nats, 'w.>')
  const one = collect(nats, 'w.*.c')
  const twice = nats.subscribe('w.a.*', { max: 2 })
  for (const subject of ['w.a.b', 'w.a.c', 'w.a.d', 'w.b.c', 'w.a.b.c', 'x.a.b']) nats.publish(subject)
  const twiceGot: string[] = []
  for await (const message of twice) twiceGot.push(message.subject)
  await nats.flush()
  note('all', subjectsOf(all))
  note('one', subjectsOf(one))
  note('twice', twiceGot)
  const late = nats.subscribe('w.late', { callback: () => note('never') })
  late.unsubscribe()
  nats.publish('w.late')
  await nats.flush()
  note('closed', [twice.isClosed(), late.isClosed()])
}

async function requests(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const [service, client] = [await open('service'), await open('client')]
  service.subscribe('upper.*', {
    callback: (_error, message) => {
      const answer = headers()
      answer.set('Token', message.subject.split('.')[1] ?? '')
      for (const value of message.headers?.values('Trace') ?? []) answer.append('Trace', value)
      message.respond(message.string().toUpperCase(), { headers: answer })
    },
  })
  await service.flush()
  const asked = headers()
  asked.append('Trace', 'one')
  asked.append('Trace', 'two')
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((token) =>
      client.request(`upper.${token}`, `hello ${token}`, { timeout: 10_000, headers: asked }),
    ),
  )
  for (const answer of answers) note(answer.string(), headersOf(answer))
  // An inbox of its own for each.
  const own = await client.request('upper.own', 'own', { timeout: 10_000, noMux: true })
  note(own.string(), headersOf(own))
}

async function requestsMany(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const [one, two, client] = [await open('one'), await open('two'), await open('client')]
  for (const [nats, answer] of [
    [one, 'first'],
    [two, 'second'],
  ] as const) {
    nats.subscribe('who', { callback: (_error, message) => void message.respond(answer) })
    await nats.flush()
  }
  const answers: string[] = []
  const asked = await client.requestMany('who', '', { strategy: 'count', maxMessages: 2, maxWait: 10_000 })
  for await (const answer of asked) answers.push(answer.string())
  note('answers', answers.toSorted())
}

async function noResponders(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const nats = await open()
  note('nobody', await failureOf(nats.request('nobody.here', 'x', { timeout: 10_000 })))
  note('nobody, own inbox', await failureOf(nats.request('nobody.here', 'x', { noMux: true, timeout: 10_000 })))
  let asked = 0
  nats.subscribe('silent', { callback: () => void asked++ })
  note('silent', await failureOf(nats.request('silent', 'x', { timeout: 100 })))
  // It may have been on its way for longer than anybody waits for an answer.
  await eventually(() => asked > 0)
  note('was asked', asked)
}

async function queueGroups(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const [from, one, two] = [await open('from'), await open('one'), await open('two')]
  const counts = { a: 0, b: 0, all: 0 }
  const everybody = new Set<string>()
  for (const [member, nats] of [one, two].entries()) {
    for (const queue of ['a', 'b'] as const) {
      nats.subscribe('work.*', {
        queue,
        callback: () => {
          counts[queue]++
          everybody.add(`${queue}${member}`)
        },
      })
    }
    await nats.flush()
  }
  one.subscribe('work.>', { callback: () => void counts.all++ })
  await one.flush()
  for (let i = 0; i < 400; i++) from.publish(`work.${i}`)
  await eventually(() => counts.a + counts.b + counts.all === 1200)
  note('shares', counts)
  note('members that worked', everybody.size)
}

async function allHeaders(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const nats = await open()
  const got = collect(nats, 'headers')
  const sent = headers()
  sent.append('X-Many', 'one')
  sent.append('X-Many', 'two')
  sent.append('x-many', 'lower')
  sent.append('Empty', '')
  sent.append('Unicode', 'grüße ✓')
  sent.append('Long', 'v'.repeat(3000))
  nats.publish('headers', bytesOf(10), { headers: sent })
  nats.publish('headers', '', { headers: sent })
  nats.publish('headers', bytesOf(100_000), { headers: sent })
  nats.publish('headers', 'none')
  await eventually(() => got.length === 4)
  for (const message of got) note(digest(message.data), headersOf(message))
}

async function tooLarge(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const nats = await open()
  const most = nats.info?.max_payload ?? 0
  note('above', await failureOf(Promise.resolve().then(() => nats.publish('large', new Uint8Array(most + 1)))))
  const got = collect(nats, 'large')
  nats.publish('large', bytesOf(most))
  await eventually(() => got.length === 1)
  note('at the limit', digest(got[0]?.data ?? new Uint8Array()))
}

async function order(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const [from, to] = [await open('from'), await open('to')]
  const count = 10_000
  let next = 0
  let wrong = 0
  to.subscribe('order.*', {
    callback: (_error, message) => {
      if (message.string() !== `${next} ${'x'.repeat(next % 61)}`) wrong++
      next++
    },
  })
  await to.flush()
  for (let i = 0; i < count; i++) from.publish(`order.${i % 10}`, `${i} ${'x'.repeat(i % 61)}`)
  await eventually(() => next === count, 30_000)
  note('received, out of order', [next, wrong])
}

async function drains(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const [from, to] = [await open('from'), await open('to')]
  const counts = { subscription: 0, connection: 0 }
  const first = to.subscribe('drain', { callback: () => void counts.subscription++ })
  to.subscribe('drain', { callback: () => void counts.connection++ })
  await to.flush()
  for (let i = 0; i < 500; i++) from.publish('drain', bytesOf(i))
  await from.flush()
  await first.drain()
  for (let i = 0; i < 500; i++) from.publish('drain', bytesOf(i))
  await from.drain()
  await to.drain()
  note('counts', counts)
  note('closed', [from.isClosed(), to.isClosed(), (await to.closed()) ?? null])
  note('afterwards', await failureOf(Promise.resolve().then(() => to.publish('drain'))))
}

async function statistics(...[open, note]: Parameters<Flow['run']>): Promise<void> {
  const nats = await open('quiet')
  const other = await open('other')
  const got = collect(other, 'echo')
  const own = collect(nats, 'echo')
  await other.flush()
  await nats.flush()
  nats.publish('echo', 'hello')
  await nats.flush()
  await eventually(() => got.length === 1)
  note('heard', [got.length, own.length])
  const { inMsgs, outMsgs, inBytes, outBytes } = nats.stats()
  note('statistics', { inMsgs, outMsgs, inBytes, outBytes })
}

function collect(nats: NatsConnection, subject: string): Msg[] {
  const got: Msg[] = []
  nats.subscribe(subject, { callback: (_error, message) => void got.push(message) })
  return got
}

function subjectsOf(messages: readonly Msg[]): string[] {
  return messages.map(({ subject }) => subject)
}

function headersOf({ headers }: Msg): unknown {
  if (headers === undefined) return null
  return headers.keys().map((key) => [key, headers.values(key)])
}
