// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { LogConfig } from './config.ts'
import { createLog } from './log.ts'
import { LogSink } from './log/sink.ts'
import type { WriteBytes } from './log/sink.ts'

const json: LogConfig = { level: 'debug', format: 'json', access: true, redact: ['authorization', 'x-api-key'] }

function lines(config: LogConfig, use: (log: ReturnType<typeof createLog>) => void): readonly string[] {
  const written: string[] = []
  use(createLog(config, { write: (line) => void written.push(line) }))
  return written
}

describe('createLog', () => {
  it('writes one JSON object a line, with the level as a word and an ISO time', () => {
    const [line] = lines(json, (log) => log.info({ a: 1 }, 'hello'))
    expect(line?.endsWith('\n')).toBe(true)
    expect(JSON.parse(line ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      a: 1,
      msg: 'hello',
    })
  })

  it('hides the named fields, on top and one level down (reliability T22)', () => {
    const [line] = lines(json, (log) =>
      log.info({
        authorization: 'canary',
        headers: { authorization: 'canary', 'x-api-key': 'canary', accept: 'seen' },
      }),
    )
    expect(line).not.toContain('canary')
    expect(line).toContain('seen')
  })

  it('keeps what comes from outside in one line', () => {
    const [line, ...more] = lines(json, (log) => log.info({ path: '/a\n{"level":"fatal"}\u001b[31m' }))
    expect(more).toEqual([])
    expect(line?.trimEnd()).not.toContain('\n')
  })

  it('writes short lines for people, without control characters', () => {
    const pretty = lines({ ...json, format: 'pretty' }, (log) => {
      log.info({ method: 'GET', route: '/a', status: 200, ms: 1.25, requestId: 'id' }, 'request')
      log.warn({ server: 'a\u001b[31mb' }, 'lost')
      log.error({ err: new Error('boom') }, 'failed')
    })
    expect(pretty[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}GET \/a 200 1\.3ms id\n$/)
    expect(pretty[1]).toMatch(/WARN {2}lost server=a\uFFFD\[31mb\n$/)
    expect(pretty[2]).toMatch(/ERROR failed\nError: boom\n {4}at /)
  })
})

/** A destination that keeps what it is given until it is told to take it. */
function stalled(): { readonly write: WriteBytes; readonly taken: string[]; release(error?: Error): void } {
  const taken: string[] = []
  let waiting: { bytes: Buffer; done: (error: Error | undefined) => void } | undefined
  return {
    taken,
    write: (bytes, done) => {
      waiting = { bytes, done }
    },
    release(error) {
      const { bytes, done } = waiting ?? { bytes: Buffer.alloc(0), done: () => {} }
      waiting = undefined
      if (error === undefined) taken.push(bytes.toString())
      done(error)
    },
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('LogSink (reliability F19)', () => {
  it('writes the lines of one turn together', async () => {
    const writes: string[] = []
    const sink = new LogSink((bytes, done) => {
      writes.push(bytes.toString())
      done(undefined)
    })
    for (const line of ['a\n', 'b\n', 'c\n']) sink.write(line)
    await tick()
    expect(writes).toEqual(['a\nb\nc\n'])
    expect(sink.dropped).toBe(0)
  })

  it('drops and counts what a blocked reader does not take, and goes on when it does', async () => {
    const reader = stalled()
    const sink = new LogSink(reader.write)
    const line = `${'x'.repeat(1023)}\n`
    for (let index = 0; index < 3000; index++) sink.write(line)
    expect(sink.dropped).toBe(3000 - 1024)
    await tick()
    sink.write(line)
    expect(sink.dropped).toBe(3000 - 1023)
    reader.release()
    sink.write('after\n')
    await tick()
    reader.release()
    expect(reader.taken.at(-1)).toBe('after\n')
  })

  it('counts the lines of a write that failed, and tries the next', async () => {
    const reader = stalled()
    const sink = new LogSink(reader.write)
    sink.write('a\n')
    sink.write('b\n')
    await tick()
    sink.write('c\n')
    reader.release(new Error('ENOSPC'))
    expect(sink.dropped).toBe(2)
    reader.release()
    expect(reader.taken).toEqual(['c\n'])
  })

  it('tells when all is out, or that it has waited long enough', async () => {
    const reader = stalled()
    const sink = new LogSink(reader.write)
    await sink.drain(10_000)
    sink.write('a\n')
    await sink.drain(5)
    const drained = sink.drain(10_000)
    reader.release()
    await drained
    expect(reader.taken).toEqual(['a\n'])
  })
})
