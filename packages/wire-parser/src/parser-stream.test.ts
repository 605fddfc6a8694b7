// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { Random } from './conformance/random.test-support.ts'
import {
  bytesOf,
  cut,
  lineOf,
  record,
  recordEveryChunking,
  textOf,
  wholeOf,
} from './conformance/recording.test-support.ts'
import { Parser, type ParserSink } from './parser.ts'

const limits = { holdBytes: 20 }

/** A sink that writes down every call, and the parser it belongs to. */
function logged(answer: 'hold' | 'stream', also: Partial<ParserSink> = {}): { log: string[]; parser: Parser } {
  const log: string[] = []
  const parser: Parser = new Parser(
    { side: 'client', limits },
    {
      operation(view, start, end) {
        log.push(`operation ${lineOf(view)}${view.streamed ? ' streamed' : ''} ${start} ${end}`)
        also.operation?.(view, start, end)
      },
      head(view) {
        log.push(`head ${lineOf(view)} ${view.totalBytes}`)
        return also.head?.(view) ?? answer
      },
      bytes(bytes, start, end) {
        log.push(`bytes ${textOf(bytes.subarray(start, end))}`)
        also.bytes?.(bytes, start, end)
      },
      error: (error, end) => void log.push(`error ${error.code} ${end}`),
    },
  )
  return { log, parser }
}

function pushAll(parser: Parser, ...chunks: readonly string[]): void {
  for (const chunk of chunks) parser.push(bytesOf(chunk))
}

describe('an operation that is not longer than holdBytes', () => {
  it('is handed out as offsets where it lies in the chunk', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PING\r\nPUB a 5\r\nhello\r\n')
    expect(log).toEqual(['operation PING 0 6', 'operation PUB a "hello" 6 22'])
  })

  it('is held and handed out whole where it began in an earlier one', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PI', 'NG\r\nPUB a 5\r', '\nhel')
    expect([parser.heldBytes, parser.streaming]).toEqual([12, false])
    pushAll(parser, 'lo\r\nPONG\r\n')
    expect(log).toEqual(['operation PING -1 4', 'operation PUB a "hello" -1 4', 'operation PONG 4 10'])
    expect(parser.heldBytes).toBe(0)
  })
})

describe('an operation that is longer than holdBytes', () => {
  const payload = '0123456789abcdef'

  it('is not asked about where it lies in the chunk', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, `PUB a 16\r\n${payload}\r\n`)
    expect(log).toEqual([`operation PUB a "${payload}" 0 28`])
  })

  it('streams from its control line on', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PING\r\nPUB a r 16\r\n0123', '456789', 'abcdef', '\r', '\nPING\r\n')
    expect(log).toEqual([
      'operation PING 0 6',
      'head PUB a r "" 16',
      'bytes PUB a r 16\r\n0123',
      'bytes 456789',
      'bytes abcdef',
      'bytes \r',
      'bytes \n',
      'operation PUB a r streamed -1 1',
      'operation PING 1 7',
    ])
  })

  it('waits for a first byte of payload to go with its control line', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PUB a 1', '6\r\n')
    expect([log, parser.heldBytes]).toEqual([[], 10])
    pushAll(parser, payload, '\r\n')
    expect(log).toEqual([
      'head PUB a "" 16',
      'bytes PUB a 16\r\n',
      `bytes ${payload}`,
      'bytes \r\n',
      'operation PUB a streamed -1 2',
    ])
  })

  it('is held all the same if the sink says so', () => {
    const { log, parser } = logged('hold')
    pushAll(parser, 'PUB a 16\r\n0123', '456789abcdef\r\nPUB a 16\r\n', payload, '\r\n')
    expect(log).toEqual([
      'head PUB a "" 16',
      `operation PUB a "${payload}" -1 14`,
      'head PUB a "" 16',
      `operation PUB a "${payload}" -1 2`,
    ])
  })

  it('is held if nobody can be asked', () => {
    const lines: string[] = []
    const sink: ParserSink = {
      operation: (view) => void lines.push(lineOf(view)),
      error: (error) => expect.fail(error.message),
    }
    const parser = new Parser({ side: 'client', limits }, sink)
    pushAll(parser, 'PUB a 16\r\n0123', '456789abcdef\r\n')
    expect(lines).toEqual([`PUB a "${payload}"`])
  })

  it('says its sizes in head, headers too', () => {
    const seen: number[] = []
    const { log, parser } = logged('stream', {
      head(view) {
        seen.push(view.headerBytes, view.totalBytes, view.payload.length)
        return 'stream'
      },
    })
    pushAll(parser, 'HPUB a 4 16\r\n\r\n\r\n456', '789abcdef\r\n')
    expect(seen).toEqual([4, 16, 0])
    expect(log.at(-1)).toBe('operation HPUB a "" streamed -1 11')
  })

  it('is whole again when its stretches are put together, in every chunking', () => {
    const script = `PING\r\nPUB a 16\r\n${payload}\r\nHPUB b 4 30\r\n\r\n\r\n${payload}0123456789\r\nSUB a 1\r\nPUB c 2\r\nhi\r\n`
    const options = { side: 'client', limits } as const
    // Streamed operations have no payload to show, so only what is forwarded is the same in every chunking.
    const bytes = bytesOf(script)
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second += 3) {
        const { error, forwarded } = record(options, cut(bytes, [first, second]))
        expect([error, forwarded]).toEqual([undefined, script])
      }
    }
  })

  it('is the same in every chunking if it is held', () => {
    const script = `PUB a 16\r\n${payload}\r\nPUB b 17\r\n${payload}\n\r\n`
    const options = { side: 'client', limits: { holdBytes: 1000 } } as const
    expect(recordEveryChunking(options, bytesOf(script)).forwarded).toBe(script)
  })

  it.each([
    ['0123456789abcdef\n', 'bytes 0123456789abcdef', 'error bad_line_end 16'],
    ['0123456789abcdefX', 'bytes 0123456789abcdef', 'error bad_line_end 16'],
    ['0123456789abcdef\rX', 'bytes 0123456789abcdef\r', 'error bad_line_end 17'],
    ['0123456789abcdefghi', 'bytes 0123456789abcdef', 'error bad_line_end 16'],
  ])('with the wrong end %j is handed out up to the wrong byte', (rest, bytes, error) => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PUB a 16\r\n', rest)
    expect(log).toEqual(['head PUB a "" 16', 'bytes PUB a 16\r\n', bytes, error])
    expect([parser.closed, parser.streaming, parser.heldBytes]).toEqual([true, false, 0])
  })

  it('with a wrong end that comes later is refused there', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PUB a 16\r\n0123', '456789abcdef', '\r', 'X')
    expect(log.slice(1)).toEqual(['bytes PUB a 16\r\n0123', 'bytes 456789abcdef', 'bytes \r', 'error bad_line_end 0'])
  })
})

describe('where the input is good', () => {
  it.each([
    [['X'], 0],
    [['PING\r\nX'], 6],
    [['PING\r\nPI', 'X'], 0],
    [['PI', 'NG\r\nSUB a\r\n'], 4],
    [['PUB a 2\r\nhi', '\n'], 0],
    [['PUB a 2\r\nhi', '\r\nPING\r\n\r\n'], 8],
  ])('is known for %j', (chunks, good) => {
    const { log, parser } = logged('stream')
    pushAll(parser, ...chunks)
    expect(log.at(-1)).toMatch(new RegExp(`^error \\w+ ${good}$`))
  })
})

describe('close', () => {
  it('ends the parser and gives back what it holds', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PING\r\nPUB a 5\r\nhe')
    expect(textOf(parser.close())).toBe('PUB a 5\r\nhe')
    pushAll(parser, 'llo\r\nX')
    expect([log, parser.closed, textOf(parser.close())]).toEqual([['operation PING 0 6'], true, ''])
  })

  it('gives back nothing of what was handed out', () => {
    const { parser } = logged('stream')
    pushAll(parser, 'PUB a 16\r\n0123')
    expect([parser.streaming, textOf(parser.close())]).toEqual([true, ''])
  })

  it('within operation leaves the rest of the chunk alone', () => {
    for (const chunks of [
      ['PING\r\nPONG\r\nX'],
      ['PI', 'NG\r\nPONG\r\nX'],
      ['PUB a 16\r\n0123456789abcdef', '\r\nX'],
    ]) {
      let rest = 'not closed'
      const { log, parser } = logged('stream', { operation: () => void (rest = textOf(parser.close())) })
      pushAll(parser, ...chunks, 'X')
      expect(log.filter((line) => !/^(?:head|bytes)/.test(line)).length).toBe(1)
      expect(rest).toBe('')
    }
  })

  it('within head or bytes says nothing more', () => {
    for (const chunks of [['PUB a 16\r\n0123'], ['PUB a 16\r\n', '0123']]) {
      const inHead = logged('stream', {
        head() {
          inHead.parser.close()
          return 'stream'
        },
      })
      pushAll(inHead.parser, ...chunks, '456789abcdef\r\nX')
      expect(inHead.log).toEqual(['head PUB a "" 16'])
      const inBytes = logged('stream', { bytes: () => void inBytes.parser.close() })
      pushAll(inBytes.parser, ...chunks, '456789abcdef\r\nX')
      expect(inBytes.log.length).toBe(2)
    }
  })
})

describe('stop', () => {
  it('lets push return behind the operation', () => {
    const script = bytesOf('PING\r\nPUB a 2\r\nhi\r\nPONG\r\nSU')
    const ends: number[] = []
    const { log, parser } = logged('stream', {
      operation(_view, _start, end) {
        ends.push(end)
        parser.stop()
      },
    })
    let rest = script
    while (rest.length > 2) {
      parser.push(rest)
      rest = rest.subarray(ends.at(-1))
    }
    expect(log).toEqual(['operation PING 0 6', 'operation PUB a "hi" 0 13', 'operation PONG 0 6'])
    parser.push(rest)
    pushAll(parser, 'B a 1\r\n')
    expect(log.at(-1)).toBe('operation SUB a 1 -1 7')
  })

  it('works behind held and streamed operations too', () => {
    const { log, parser } = logged('stream', { operation: () => parser.stop() })
    pushAll(parser, 'PI', 'NG\r\nX')
    pushAll(parser, 'PUB a 16\r\n0123', '456789abcdef\r\nX', 'PING\r\n')
    expect(log.filter((line) => line.startsWith('operation'))).toEqual([
      'operation PING -1 4',
      'operation PUB a streamed -1 14',
      'operation PING 0 6',
    ])
  })

  it('outside of operation does nothing', () => {
    const { log, parser } = logged('stream')
    pushAll(parser, 'PI')
    parser.stop()
    pushAll(parser, 'NG\r\n')
    parser.stop()
    pushAll(parser, 'PONG\r\n')
    expect(log).toEqual(['operation PING -1 4', 'operation PONG 0 6'])
  })
})

describe('what a sink keeps', () => {
  it('of a held operation stays as it was after detachHeld', () => {
    const kept: Uint8Array[] = []
    const { parser } = logged('stream', {
      operation(view, start) {
        if (start >= 0) return
        kept.push(wholeOf(view))
        parser.detachHeld()
      },
    })
    for (let at = 0; at < 10; at++) pushAll(parser, `PUB a${at} 2\r\n`, `x${at}\r\n`)
    expect(kept.map(textOf)).toEqual(Array.from({ length: 10 }, (_, at) => `PUB a${at} 2\r\nx${at}\r\n`))
  })

  it('is a copy if it asks for one, though chunk and view are used again', () => {
    const kept: unknown[] = []
    const { parser } = logged('stream', { operation: (view) => void kept.push(view.copy()) })
    const chunk = Buffer.alloc(64)
    for (const text of [
      'PUB a r 2\r\nhi\r\n',
      'HPUB b 4 5\r\n\r\n\r\nx\r\n',
      'SUB c q 1\r\n',
      'UNSUB 1 2\r\n',
      'CONNECT {}\r\n',
    ]) {
      chunk.write(text, 'latin1')
      parser.push(chunk.subarray(0, text.length))
      chunk.fill(0)
    }
    expect(kept).toEqual([
      { verb: 'PUB', subject: 'a', replyTo: 'r', payload: bytesOf('hi') },
      { verb: 'HPUB', subject: 'b', headers: bytesOf('\r\n\r\n'), payload: bytesOf('x') },
      { verb: 'SUB', subject: 'c', queue: 'q', sid: '1' },
      { verb: 'UNSUB', sid: '1', max: 2 },
      { verb: 'CONNECT', json: bytesOf('{}') },
    ])
  })
})

describe('a sink that throws', () => {
  it('is heard by push, and the parser is closed', () => {
    const { parser } = logged('stream', {
      operation() {
        throw new Error('mine')
      },
    })
    expect(() => pushAll(parser, 'PING\r\nPING\r\n')).toThrow('mine')
    expect(parser.closed).toBe(true)
    expect(() => pushAll(parser, 'PING\r\n')).not.toThrow()
  })
})

describe('held bytes', () => {
  it('grow with what has come, not with what was announced', () => {
    const parser = new Parser({ side: 'client' }, { operation() {}, error() {}, head: () => 'hold' })
    const before = process.memoryUsage().arrayBuffers
    const parsers = [parser]
    for (let at = 0; at < 200; at++) {
      const next = new Parser({ side: 'client' }, { operation() {}, error() {}, head: () => 'hold' })
      pushAll(next, 'PUB a 999999999\r\n', 'x')
      parsers.push(next)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000)
    expect(parsers.at(-1)?.heldBytes).toBe(18)
  })

  it('are right for headers and payloads of every size around the buffers', () => {
    const random = new Random(1)
    for (const size of [500, 511, 512, 513, 4000, 4096, 5000, 65_500, 65_536, 70_000]) {
      const block = Array.from({ length: size }, () => String.fromCharCode(random.below(256))).join('')
      const script = `PUB a ${size}\r\n${block}\r\nPING\r\nHPUB a ${size} ${size + 2}\r\n${block}hi\r\n`
      const offsets = Array.from({ length: 9 }, () => random.below(script.length)).sort((a, b) => a - b)
      for (const holdBytes of [100, 65_536, 1_000_000]) {
        const { error, forwarded } = record({ side: 'client', limits: { holdBytes } }, cut(bytesOf(script), offsets))
        expect(error).toBeUndefined()
        expect(forwarded === script).toBe(true)
      }
    }
  })
})
