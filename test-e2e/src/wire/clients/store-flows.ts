// SPDX-License-Identifier: Apache-2.0
import { type KV, type KvEntry, Kvm } from '@nats-io/kv'
import { type ObjectStore, Objm } from '@nats-io/obj'
import { eventually } from '../web-socket-rig.ts'
import { bytesOf, digest, failureOf, type Flow, type Open } from './flow.ts'

type Run = Parameters<Flow['run']>

// A server may still answer for a stream that was just removed: each run has one of its own.
let stores = 0

/** Key-value buckets and object stores. */
export const storeFlows: readonly Flow[] = [
  { name: 'puts, gets and compares in a bucket', run: bucket },
  { name: 'watches a bucket', run: watches },
  { name: 'lets keys expire', needs: '>=2.11.0', isSlow: true, run: expires },
  { name: 'stores objects of some megabytes', run: objects },
  { name: 'links, renames and removes objects', run: changesObjects },
]

async function withBucket(open: Open, work: (bucket: KV) => Promise<void>): Promise<void> {
  const bucket = await new Kvm(await open()).create(`flow-${++stores}`, { history: 5 })
  try {
    await work(bucket)
  } finally {
    await bucket.destroy()
  }
}

async function bucket(...[open, note]: Run): Promise<void> {
  await withBucket(open, async (bucket) => {
    note('put', await bucket.put('a', 'one'))
    note('create', await bucket.create('b', 'two'))
    note('create again', await failureOf(bucket.create('b', 'three')))
    note('update', await bucket.update('b', 'four', 2))
    note('update of the past', await failureOf(bucket.update('b', 'five', 2)))
    note('large', await bucket.put('large', bytesOf(500_000)))
    note('got', await Promise.all(['a', 'b', 'large', 'missing'].map(async (key) => entry(await bucket.get(key)))))
    await bucket.delete('a')
    note('deleted', entry(await bucket.get('a')))
    const history: unknown[] = []
    for await (const item of await bucket.history({ key: '>' })) history.push(entry(item))
    note('history', history)
    await bucket.purge('b')
    note('keys', await collect(bucket))
    const { values, history: depth } = await bucket.status()
    note('status', { values, depth })
  })
}

async function watches(...[open, note]: Run): Promise<void> {
  await withBucket(open, async (bucket) => {
    await bucket.put('watched.before', 'here already')
    const seen: unknown[] = []
    const watch = await bucket.watch({ key: 'watched.*' })
    const watching = (async () => {
      for await (const item of watch) seen.push([...entry(item), item.isUpdate])
    })()
    await eventually(() => seen.length === 1)
    await bucket.put('watched.a', '1')
    await bucket.put('other.a', 'not seen')
    await bucket.put('watched.a', '2')
    await bucket.delete('watched.a')
    await eventually(() => seen.length === 4)
    watch.stop()
    await watching
    note('seen', seen)
  })
}

async function expires(...[open, note]: Run): Promise<void> {
  const nats = await open()
  const bucket = await new Kvm(nats).create(`flow-${++stores}`, { history: 1, markerTTL: 1000 })
  try {
    note('created', await bucket.create('short', 'lived', '2s'))
    note('got', entry(await bucket.get('short')))
    const watch = await bucket.watch({ key: 'short' })
    for await (const item of watch) if (item.operation !== 'PUT') break
    note('expired', (await bucket.get('short'))?.operation ?? 'gone')
  } finally {
    await bucket.destroy()
  }
}

async function withStore(open: Open, work: (store: ObjectStore) => Promise<void>): Promise<void> {
  const store = await new Objm(await open()).create(`flow-${++stores}`)
  try {
    await work(store)
  } finally {
    await store.destroy()
  }
}

async function objects(...[open, note]: Run): Promise<void> {
  await withStore(open, async (store) => {
    for (const size of [0, 1000, 131_072, 1_500_000]) {
      const info = await store.putBlob({ name: `of ${size}` }, bytesOf(size))
      note(`put ${size}`, [info.size, info.chunks, info.digest])
      const blob = await store.getBlob(`of ${size}`)
      note(`got ${size}`, blob === null ? null : digest(blob))
    }
    const chunked = { name: 'chunks', options: { max_chunk_size: 10_000 } }
    note('chunks', (await store.putBlob(chunked, bytesOf(95_000))).chunks)
    const blob = await store.getBlob('chunks')
    note('whole', blob === null ? null : digest(blob))
    note('missing', await store.getBlob('missing'))
  })
}

async function changesObjects(...[open, note]: Run): Promise<void> {
  await withStore(open, async (store) => {
    const info = await store.putBlob({ name: 'a', description: 'first' }, bytesOf(2000))
    await store.link('to a', info)
    const linked = await store.getBlob('to a')
    note('linked', linked === null ? null : digest(linked))
    await store.update('a', { name: 'b' })
    const names = (await store.list()).map(({ name }) => name).toSorted()
    note('names', names)
    note('deleted', await store.delete('b'))
    note('gone', (await store.info('b'))?.deleted ?? null)
    await store.seal()
    note('sealed', await failureOf(store.putBlob({ name: 'c' }, bytesOf(10))))
  })
}

function entry(item: KvEntry | null): unknown[] {
  if (item === null) return []
  const { key, operation, revision, length } = item
  return [key, operation, revision, length, length < 100 ? item.string() : digest(item.value)]
}

async function collect(bucket: KV): Promise<string[]> {
  const keys: string[] = []
  for await (const key of await bucket.keys()) keys.push(key)
  return keys
}
