// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { bytesOf, cut, record } from './conformance/recording.test-support.ts'
import { Verb } from './operation.ts'
import { Parser, type ParserOptions } from './parser.ts'

/** What becomes of a script in one chunk, cut around every byte that matters, and one byte at a time if short. */
function outcome(options: ParserOptions, script: string, ...around: number[]): string {
  const bytes = bytesOf(script)
  const cuts = around.flatMap((at) => [at - 2, at - 1, at, at + 1, at + 2]).filter((at) => at > 0 && at < bytes.length)
  const chunkings = [[], ...cuts.map((at) => [at]), cuts.sort((a, b) => a - b)]
  if (bytes.length < 10_000) chunkings.push(Array.from(bytes.keys()))
  const outcomes = chunkings.map((offsets) => {
    const { error, forwarded } = record(options, cut(bytes, offsets))
    return error ?? (forwarded === script ? 'whole' : `unfinished${forwarded}`)
  })
  return [...new Set(outcomes)].join(' or ')
}

function jwt(length: number): string {
  return `CONNECT {"jwt":"${'j'.repeat(length - 10)}"}\r\n`
}

describe('the control line', () => {
  // The argument is what stands between the blanks behind the verb and the line end.
  const lines: [verb: string, argument: (length: number) => string, payload: string][] = [
    ['SUB', (length) => `${'s'.repeat(length - 2)} 1`, ''],
    ['UNSUB', (length) => `${'s'.repeat(length - 2)} 1`, ''],
    ['PUB', (length) => `${'s'.repeat(length - 2)} 0`, '\r\n'],
    ['HPUB', (length) => `${'s'.repeat(length - 4)} 0 0`, '\r\n'],
    ['CONNECT', (length) => `{"jwt":"${'j'.repeat(length - 10)}"}`, ''],
    ['INFO', (length) => `{"a":"${'j'.repeat(length - 8)}"}`, ''],
  ]

  it.each(lines)('of %s has an argument of 4096 bytes at most', (verb, argument, payload) => {
    for (const [length, error] of [[4095], [4096], [4097, 'control_line_too_long']] as const) {
      for (const lineEnd of ['\r\n', '\n']) {
        const line = `${verb} ${argument(length)}${lineEnd}`
        expect(outcome({ side: 'client' }, line + payload, line.length)).toBe(error ?? 'whole')
        expect(outcome({ side: 'client' }, `${verb}  \t ${argument(length)}${lineEnd}${payload}`)).toBe(
          error ?? 'whole',
        )
      }
    }
  })

  it('counts blanks behind the argument', () => {
    expect(outcome({ side: 'client' }, `SUB a 1${' '.repeat(4093)}\r\n`, 4100)).toBe('whole')
    expect(outcome({ side: 'client' }, `SUB a 1${' '.repeat(4094)}\r\n`, 4100)).toBe('control_line_too_long')
  })

  it('is refused before its arguments are looked at', () => {
    expect(outcome({ side: 'client' }, `SUB ${'a '.repeat(2049)}\r\n`)).toBe('control_line_too_long')
  })

  it.each(['SUB', 'PUB', 'CONNECT', 'INFO', '-ERR'])('of %s is cut at the limit where no line end comes', (verb) => {
    expect(outcome({ side: 'client' }, `${verb} ${'x'.repeat(4096)}`, 4096)).toBe('unfinished')
    expect(outcome({ side: 'client' }, `${verb} ${'x'.repeat(4096)}\r`, 4096)).toBe('unfinished')
    expect(outcome({ side: 'client' }, `${verb} ${'x'.repeat(4097)}`, 4096)).toBe('control_line_too_long')
    expect(outcome({ side: 'client' }, `${verb} ${'x'.repeat(4096)}\rx`, 4096)).toBe('control_line_too_long')
  })

  it('of CONNECT has a bound of its own', () => {
    const limits = { maxConnectBytes: 9000 }
    expect(outcome({ side: 'client', limits }, jwt(9000), 4104, 9008)).toBe('whole')
    expect(outcome({ side: 'client', limits }, jwt(9001), 9008)).toBe('control_line_too_long')
    expect(outcome({ side: 'client', limits }, `SUB ${'s'.repeat(4095)} 1\r\n`)).toBe('control_line_too_long')
    expect(outcome({ side: 'client', limits: { maxConnectBytes: 100 } }, jwt(101))).toBe('control_line_too_long')
  })

  it('of a server has 65,536 bytes whatever the verb', () => {
    for (const [length, error] of [[65_536], [65_537, 'control_line_too_long']] as const) {
      expect(outcome({ side: 'server' }, `INFO "${'x'.repeat(length - 2)}"\r\n`, 65_536)).toBe(error ?? 'whole')
      expect(outcome({ side: 'server' }, `MSG ${'x'.repeat(length - 4)} 1 0\r\n\r\n`, 65_536)).toBe(error ?? 'whole')
    }
    expect(outcome({ side: 'server', limits: { maxInfoBytes: 50 } }, `INFO ${'x'.repeat(51)}\r\n`)).toBe(
      'control_line_too_long',
    )
  })

  it('is refused where blanks or junk make it longer than what is held', () => {
    const limits = { holdBytes: 6000 }
    expect(outcome({ side: 'client', limits }, `PING${' '.repeat(5994)}\r\n`, 6000)).toBe('whole')
    expect(outcome({ side: 'client', limits }, `PING${' '.repeat(5995)}\r\n`, 6000)).toBe('control_line_too_long')
    expect(outcome({ side: 'client', limits }, `SUB${' '.repeat(5992)}a 1\r\n`, 6000)).toBe('whole')
    expect(outcome({ side: 'client', limits }, `SUB${' '.repeat(5993)}a 1\r\n`, 6000)).toBe('control_line_too_long')
    expect(outcome({ side: 'client', limits }, `SUB${' '.repeat(7000)}`, 6000)).toBe('control_line_too_long')
    expect(outcome({ side: 'server', limits }, `-ERR ${'x'.repeat(70_000)}`, 65_600)).toBe('control_line_too_long')
  })
})

describe('max_payload', () => {
  const limits = { maxPayloadBytes: 10 }

  it('counts payload and headers', () => {
    expect(outcome({ side: 'client', limits }, 'PUB a 10\r\n0123456789\r\n', 10)).toBe('whole')
    expect(outcome({ side: 'client', limits }, 'PUB a 11\r\n')).toBe('payload_too_large')
    expect(outcome({ side: 'client', limits }, 'HPUB a 4 10\r\n\r\n\r\n456789\r\n', 13)).toBe('whole')
    expect(outcome({ side: 'client', limits }, 'HPUB a 4 11\r\n')).toBe('payload_too_large')
    expect(outcome({ side: 'server', limits }, 'MSG a 1 11\r\n')).toBe('payload_too_large')
    expect(outcome({ side: 'server', limits }, 'HMSG a 1 4 11\r\n')).toBe('payload_too_large')
  })

  it('of 0 lets empty ones pass, and -1 all', () => {
    expect(outcome({ side: 'client', limits: { maxPayloadBytes: 0 } }, 'PUB a 0\r\n\r\n')).toBe('whole')
    expect(outcome({ side: 'client', limits: { maxPayloadBytes: 0 } }, 'PUB a 1\r\n')).toBe('payload_too_large')
    expect(outcome({ side: 'client', limits: { maxPayloadBytes: -1 } }, 'PUB a 999999999\r\n')).toBe('unfinished')
  })

  it('bounds the headers alone by maxHeaderBytes', () => {
    expect(outcome({ side: 'client', limits: { maxHeaderBytes: 4 } }, 'HPUB a 4 9\r\n\r\n\r\nhello\r\n')).toBe('whole')
    expect(outcome({ side: 'client', limits: { maxHeaderBytes: 3 } }, 'HPUB a 4 9\r\n')).toBe('payload_too_large')
  })
})

/** Applies changes behind the PINGs. */
function said(script: string, ...changes: ((parser: Parser) => void)[]): string {
  let text = ''
  const left = [...changes]
  const parser = new Parser(
    { side: 'client', headers: false, limits: { maxPayloadBytes: 5 } },
    {
      operation(view) {
        text += `${view.verb === Verb.PING ? '.' : view.payload.length}`
        if (view.verb === Verb.PING) left.shift()?.(parser)
      },
      error: (error) => void (text += ` ${error.code}`),
    },
  )
  for (const byte of bytesOf(script)) parser.push(Uint8Array.of(byte))
  return text
}

const changeTo = {
  six: (parser: Parser): void => parser.setMaxPayloadBytes(6),
  two: (parser: Parser): void => parser.setMaxPayloadBytes(2),
  headers: (parser: Parser): void => parser.setHeaders(true),
  noHeaders: (parser: Parser): void => parser.setHeaders(false),
}

describe('what changes during a connection', () => {
  it('is max_payload, raised and lowered by an INFO', () => {
    const six = 'PUB a 6\r\n123456\r\n'
    expect(said(six)).toBe(' payload_too_large')
    expect(said(`PING\r\n${six}`, changeTo.six)).toBe('.6')
    expect(said(`PING\r\n${six}PING\r\nPUB a 2\r\n12\r\nPUB a 3\r\n`, changeTo.six, changeTo.two)).toBe(
      '.6.2 payload_too_large',
    )
  })

  it('is header support, given and taken by CONNECT', () => {
    const hpub = 'HPUB a 0 1\r\nx\r\n'
    expect(said(hpub)).toBe(' headers_disabled')
    expect(said('HPUB a\r\n')).toBe(' headers_disabled')
    expect(said(`PING\r\n${hpub}PING\r\n${hpub}`, changeTo.headers, changeTo.noHeaders)).toBe('.1. headers_disabled')
  })
})

describe('limits that are none', () => {
  it.each([
    { maxControlLineBytes: 0 },
    { maxConnectBytes: -1 },
    { maxInfoBytes: 1.5 },
    { maxHeaderBytes: -2 },
    { maxPayloadBytes: Number.NaN },
    { holdBytes: 2 ** 31 },
  ])('%o are named', (limits) => {
    const make = (): unknown => new Parser({ side: 'client', limits }, { operation() {}, error() {} })
    expect(make).toThrow(RangeError)
    expect(make).toThrow(`limits.${Object.keys(limits)[0]} must be a whole number`)
  })
})
