// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import type { LogConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { accessLog, type AccessLine } from './access-log.ts'

const config: LogConfig = { level: 'info', format: 'json', access: true, redact: ['authorization'] }
const line: AccessLine = {
  surface: 'rest',
  route: '/orders/{id}',
  method: 'GET',
  status: 200,
  ms: 1.25,
  requestId: 'r-1',
  ip: '127.0.0.1',
  principalId: undefined,
}

function written(use: LogConfig, lines: readonly AccessLine[]): readonly string[] {
  const out: string[] = []
  const write = accessLog(createLog(use, { write: (text) => void out.push(text) }))
  for (const each of lines) write(each)
  return out
}

describe('accessLog', () => {
  it('writes what the logger itself would write', () => {
    const out: string[] = []
    const log = createLog(config, { write: (text) => void out.push(text) })
    const full = { ...line, principalId: 'jwt:"ada"\n', route: '/a"b\u2028', ip: '::1', requestId: 'a:b_c' }
    accessLog(log)(full)
    log.info(full, 'request')
    const [byHand, byLogger] = out.map((text) => ({ ...JSON.parse(text), time: 'now' }))
    expect(byHand).toEqual(byLogger)
    expect(Object.keys(byHand)).toEqual(Object.keys(byLogger))
    expect(out[0]).toMatch(/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/)
    expect(out[0]?.match(/\n/g)).toHaveLength(1)
  })

  it('leaves out a principal nobody is', () => {
    expect(written(config, [line])[0]).not.toContain('principalId')
  })

  it('hides a field of its own that the configuration names', () => {
    const [text] = written({ ...config, redact: ['ip'] }, [line])
    expect(JSON.parse(text ?? '')).toMatchObject({ ip: '[redacted]', route: '/orders/{id}' })
  })

  it('writes for people in the pretty format', () => {
    expect(written({ ...config, format: 'pretty' }, [line])[0]).toMatch(
      /INFO {2}GET \/orders\/\{id\} 200 1\.3ms r-1\n$/,
    )
  })

  it("goes through a logger of the caller's own", () => {
    const out: string[] = []
    accessLog(pino({ base: { pid: 1 } }, { write: (text: string) => void out.push(text) }))(line)
    expect(JSON.parse(out[0] ?? '')).toMatchObject({ pid: 1, route: '/orders/{id}', msg: 'request' })
  })
})
