// SPDX-License-Identifier: Apache-2.0
import { PassThrough, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { LogTail } from './log-tail.ts'

async function read(chunks: readonly (string | Buffer)[]): Promise<{ lines: string[]; tail: LogTail }> {
  const lines: string[] = []
  const tail = new LogTail((line) => lines.push(line))
  const stream = Readable.from(chunks, { objectMode: false })
  tail.read(stream)
  await finished(stream)
  return { lines, tail }
}

describe('LogTail', () => {
  it('hands on whole lines however they are cut', async () => {
    const text = 'one\r\ntwo\n\nfür 3 €\nlast'
    const expected = ['one', 'two', '', 'für 3 €', 'last']
    expect((await read([text])).lines).toEqual(expected)
    const bytes = Buffer.from(text)
    expect((await read(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).lines).toEqual(expected)
  })

  it('remembers the last 20', async () => {
    const { lines, tail } = await read([Array.from({ length: 50 }, (_, n) => `line ${n}\n`).join('')])
    expect(lines).toHaveLength(50)
    expect(tail.lines).toEqual(lines.slice(-20))
  })

  it('cuts a line that does not end', async () => {
    const { lines } = await read(Array.from({ length: 20 }, () => 'x'.repeat(1000)))
    expect(lines.map((line) => line.length)).toEqual([17_000, 3000])
  })

  it('keeps the unfinished lines of two streams apart', async () => {
    const tail = new LogTail()
    const [out, error] = [new PassThrough(), new PassThrough()]
    tail.read(out)
    tail.read(error)
    out.write('a')
    error.write('1')
    out.end('b\n')
    error.end('2\n')
    await Promise.all([finished(out), finished(error)])
    expect([...tail.lines].sort()).toEqual(['12', 'ab'])
  })

  it('survives a stream that ends in an error', async () => {
    const tail = new LogTail()
    const stream = new PassThrough()
    tail.read(stream)
    stream.write('seen\n')
    await new Promise<void>((resolve) => stream.once('close', resolve).destroy(new Error('reset')))
    expect(tail.lines).toEqual(['seen'])
  })
})
