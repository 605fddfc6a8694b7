// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readIntoShared } from './shared-read.ts'

interface Pair {
  readonly client: Socket
  readonly accepted: Socket
}

async function pair(): Promise<Pair> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })
  return { client, accepted }
}

/** A socket that was read from before, as after a handshake, and what it has given on since. */
async function reading(): Promise<Pair & { readonly chunks: Buffer[]; readonly text: () => string }> {
  const both = await pair()
  both.client.write('handshake')
  await once(both.accepted, 'data')
  const chunks: Buffer[] = []
  expect(readIntoShared(both.accepted)).toBe(true)
  both.accepted.on('data', (chunk: Buffer) => chunks.push(chunk))
  return { ...both, chunks, text: () => Buffer.concat(chunks).toString() }
}

describe('readIntoShared', () => {
  it('gives on what comes, in bytes that stay as they are', async () => {
    const [one, two] = [await reading(), await reading()]
    one.client.write('first of one')
    await vi.waitFor(() => expect(one.text()).toBe('first of one'))
    two.client.write('first of two')
    await vi.waitFor(() => expect(two.text()).toBe('first of two'))
    one.client.write(', second of one')
    await vi.waitFor(() => expect(one.text()).toBe('first of one, second of one'))
    expect(one.chunks[0]?.toString()).toBe('first of one')
    expect(two.text()).toBe('first of two')
  })

  it('gives on large reads whole and in order', async () => {
    const { client, text } = await reading()
    const flood = Array.from({ length: 200_000 }, (_, at) => `${at};`).join('')
    client.write(flood)
    await vi.waitFor(() => expect(text().length).toBe(flood.length))
    expect(text() === flood).toBe(true)
  })

  it('holds what a stream may while it is paused, and goes on where it was', async () => {
    const { client, accepted, text } = await reading()
    const sent = Array.from({ length: 1_500_000 }, (_, at) => `${at};`).join('')
    accepted.pause()
    client.write(sent)
    await vi.waitFor(() => expect(accepted.readableLength).toBeGreaterThanOrEqual(accepted.readableHighWaterMark))
    // More than the kernel keeps for both of them is still with the client.
    await vi.waitFor(() => expect(client.writableLength).toBeGreaterThan(0))
    expect(accepted.readableLength).toBeLessThan(accepted.readableHighWaterMark + 65_536)
    expect(text()).toBe('')
    accepted.resume()
    await vi.waitFor(() => expect(text().length).toBe(sent.length))
    expect(text() === sent).toBe(true)
  }, 60_000)

  it('sees a client leave while it is paused', async () => {
    const { client, accepted, text } = await reading()
    accepted.on('error', () => {})
    accepted.pause()
    client.write('last words')
    await vi.waitFor(() => expect(accepted.readableLength).toBe(10))
    client.resetAndDestroy()
    await vi.waitFor(() => expect(accepted.destroyed).toBe(true))
    expect(text()).toBe('')
  })

  it('tells the end, and an error, as ever', async () => {
    const [one, two] = [await reading(), await reading()]
    one.client.end('bye')
    await once(one.accepted, 'end')
    expect(one.text()).toBe('bye')
    two.client.resetAndDestroy()
    expect(await once(two.accepted, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
    await vi.waitFor(() => expect(two.accepted.closed).toBe(true))
  })

  it('leaves alone what it does not know', async () => {
    expect(readIntoShared(new PassThrough())).toBe(false)
    expect(readIntoShared(new Socket())).toBe(false)
    const { client, accepted } = await pair()
    accepted.pause()
    client.write('already here')
    accepted.unshift(Buffer.from('not read yet: '))
    expect(readIntoShared(accepted)).toBe(false)
    let text = ''
    accepted.on('data', (chunk: Buffer) => (text += chunk.toString())).resume()
    await vi.waitFor(() => expect(text).toBe('not read yet: already here'))
  })

  it('leaves alone a socket that has a buffer, or is without the parts', async () => {
    const { client, accepted } = await reading()
    expect(readIntoShared(accepted)).toBe(false)
    const other = await pair()
    Reflect.set(Reflect.get(other.accepted, '_handle') as object, 'useUserBuffer', undefined)
    expect(readIntoShared(other.accepted)).toBe(false)
    let text = ''
    other.accepted.on('data', (chunk: Buffer) => (text += chunk.toString()))
    other.client.write('read as ever')
    await vi.waitFor(() => expect(text).toBe('read as ever'))
    client.end()
  })
})
