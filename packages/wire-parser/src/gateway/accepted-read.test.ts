// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { readIntoBuffer } from './accepted-read.ts'
import { SocketTransport } from './socket-transport.ts'

const open: { client: Socket; accepted: Socket; server: Server }[] = []

afterEach(() => {
  for (const { client, accepted, server } of open.splice(0)) {
    client.destroy()
    accepted.destroy()
    server.close()
  }
})

async function accept(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ pauseOnConnect: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  open.push({ client, accepted, server })
  return { client, accepted }
}

/** A transport on an accepted socket that reads into a buffer, and what it has told. */
async function transport(isKept = false): Promise<{
  client: Socket
  accepted: Socket
  reads: Uint8Array[]
  text: () => string
  isOver: () => { ended: boolean; closed: boolean }
}> {
  const { client, accepted } = await accept()
  const source = readIntoBuffer(accepted, 65_536)
  expect(source).toBeDefined()
  const reads: Uint8Array[] = []
  let text = ''
  const over = { ended: false, closed: false }
  new SocketTransport(accepted, source).start({
    data: (chunk) => {
      reads.push(chunk)
      text += Buffer.from(chunk).toString()
    },
    flush: () => isKept,
    drained: () => undefined,
    ended: () => (over.ended = true),
    closed: () => (over.closed = true),
  })
  return { client, accepted, reads, text: () => text, isOver: () => over }
}

// Fills the buffer that all connections share, so that this one gets its own.
const filling = 'x'.repeat(5000)

describe('readIntoBuffer', () => {
  it('hands out what comes, in a buffer that is used again', async () => {
    const { client, reads, text } = await transport()
    client.write(filling)
    await expect.poll(text).toBe(filling)
    client.write('one')
    await expect.poll(text).toBe(`${filling}one`)
    client.write('two')
    await expect.poll(text).toBe(`${filling}onetwo`)
    expect(reads.at(-2)?.buffer).toBe(reads.at(-1)?.buffer)
  })

  it('takes another buffer while something refers to the bytes', async () => {
    const { client, reads, text } = await transport(true)
    client.write(filling)
    await expect.poll(text).toBe(filling)
    client.write('one')
    await expect.poll(text).toBe(`${filling}one`)
    client.write('two')
    await expect.poll(text).toBe(`${filling}onetwo`)
    expect(Buffer.from(reads.at(-2) ?? []).toString()).toBe('one')
    expect(reads.at(-2)?.buffer).not.toBe(reads.at(-1)?.buffer)
  })

  it('reads a flood whole and in order', async () => {
    const { client, text } = await transport()
    const flood = Array.from({ length: 50_000 }, (_value, at) => `${at};`).join('')
    client.write(flood)
    await expect.poll(() => text().length).toBe(flood.length)
    expect(text() === flood).toBe(true)
  })

  it('pauses and resumes', async () => {
    const { client, accepted, text } = await transport()
    client.write('first')
    await expect.poll(text).toBe('first')
    accepted.pause()
    await new Promise((resolve) => client.write('later', resolve))
    // A round trip on another connection is long enough for the bytes to have come.
    await accept()
    expect(text()).toBe('first')
    accepted.resume()
    await expect.poll(text).toBe('firstlater')
  })

  it('tells the end and the close', async () => {
    const { client, accepted, text, isOver } = await transport()
    client.end('bye')
    await expect.poll(() => isOver().ended).toBe(true)
    expect(text()).toBe('bye')
    accepted.destroy()
    await expect.poll(() => isOver().closed).toBe(true)
  })

  it('takes over from a socket that has been read from', async () => {
    const { client, accepted } = await accept()
    client.write('early')
    accepted.resume()
    const [early] = (await once(accepted, 'data')) as [Buffer]
    const source = readIntoBuffer(accepted, 65_536)
    let text = ''
    if (source !== undefined) source.receive = (chunk) => (text += Buffer.from(chunk).toString()) === ''
    client.write('later')
    await expect.poll(() => text).toBe('later')
    expect(early.toString()).toBe('early')
  })

  it('takes over from within a data event, and stays paused where it pauses there', async () => {
    const { client, accepted } = await accept()
    let text = ''
    accepted.once('data', () => {
      const source = readIntoBuffer(accepted, 65_536)
      if (source !== undefined) source.receive = (chunk) => (text += Buffer.from(chunk).toString()) === ''
      accepted.pause()
    })
    client.write('early')
    accepted.resume()
    await once(accepted, 'pause')
    const isTaken = new Promise((resolve) => client.write('x'.repeat(20_000_000), resolve))
    // Round trips on other connections are long enough for whatever is read in spite of that.
    for (let i = 0; i < 20; i++) await accept()
    expect(text.length).toBeLessThanOrEqual(65_536)
    accepted.resume()
    await isTaken
    await expect.poll(() => text.length).toBe(20_000_000)
  })

  it('leaves a socket alone in which bytes wait', async () => {
    const { client, accepted } = await accept()
    client.write('early')
    accepted.pause()
    accepted.read(0)
    await expect.poll(() => accepted.readableLength).toBe(5)
    expect(readIntoBuffer(accepted, 65_536)).toBeUndefined()
  })

  it.each(['kBuffer', 'kBufferCb', 'kBufferGen'])('leaves a socket alone that has something in %s', async (name) => {
    const { accepted } = await accept()
    const part = Object.getOwnPropertySymbols(accepted).find(({ description }) => description === name)
    expect(part).toBeDefined()
    if (part !== undefined) Reflect.set(accepted, part, undefined)
    expect(readIntoBuffer(accepted, 65_536)).toBeUndefined()
  })

  it('leaves a socket alone whose handle takes no buffer', async () => {
    const { accepted } = await accept()
    Reflect.set(Reflect.get(accepted, '_handle') as object, 'useUserBuffer', undefined)
    expect(readIntoBuffer(accepted, 65_536)).toBeUndefined()
  })

  it('leaves a socket alone that reads into a buffer already', async () => {
    const { accepted } = await accept()
    expect(readIntoBuffer(accepted, 65_536)).toBeDefined()
    expect(readIntoBuffer(accepted, 65_536)).toBeUndefined()
  })

  it('leaves a socket alone that has no handle', () => {
    expect(readIntoBuffer(new Socket(), 65_536)).toBeUndefined()
  })
})
