// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { machineLine, rowReport } from './report.ts'
import type { RowResult, SideResult } from './row-result.ts'
import type { Sample } from './sample.ts'

const side = (name: string, change: Partial<SideResult> = {}): SideResult => ({
  name,
  measured: name,
  ratePerSecond: 5123.4,
  cpuSecondsPerOperation: 0.000_061,
  p50Ms: 1.234,
  p99Ms: 9.876,
  operations: 15_000,
  errors: {},
  cpuSecondsPerOperationByProcess: { [name]: 0.000_061, broker: 0.000_02, idle: 0.000_000_01 },
  otherCores: 0.01,
  rounds: [],
  ...change,
})

const result: RowResult = {
  name: 'rest-get',
  title: 'GET',
  cpuPer: 10_000,
  natsServer: '2.15.2',
  subject: side('nats-edge'),
  reference: side('bare Hono', { ratePerSecond: 10_000 }),
  others: [],
  missing: {},
  ratios: {
    cpu: { median: 1.9, lowest: 1.8, highest: 2.1 },
    rate: { median: 0.512, lowest: 0.5, highest: 0.52 },
    p50: { median: 1.1, lowest: 1, highest: 1.3 },
    p99: { median: 1.2, lowest: 1, highest: 1.4 },
  },
  errors: 0,
  gates: [
    { measure: 'rate', limit: '>= 0.45', value: 0.512, passed: true },
    { measure: 'errors', limit: '<= 0', value: 0, passed: true },
  ],
}

describe('rowReport', () => {
  it('prints both sides, the ratios with the gates beside them and who used the CPU', () => {
    expect(rowReport(result).split('\n')).toEqual([
      'rest-get: GET',
      '  nats-server 2.15.2',
      '             rate/s  CPU s/10k  p50 ms  p99 ms  operations  errors',
      '  nats-edge    5123      0.610    1.23    9.88       15000       0',
      '  bare Hono   10000      0.610    1.23    9.88       15000       0',
      '  CPU per operation, ratio  1.900  (1.800 to 2.100)',
      '  rate, ratio               0.512  (0.500 to 0.520)  gate >= 0.45  ok',
      '  p50, ratio                1.100  (1.000 to 1.300)',
      '  p99, ratio                1.200  (1.000 to 1.400)',
      '  errors                        0                       gate <= 0  ok',
      '  CPU s/10k under nats-edge: nats-edge 0.610, broker 0.200',
      '  CPU s/10k under bare Hono: bare Hono 0.610, broker 0.200',
    ])
  })

  it('prints the other sides with the gates between them, and what could not be had', () => {
    const spread = { median: 12, lowest: 11, highest: 13 }
    const text = rowReport({
      ...result,
      others: [side('relay')],
      missing: { peer: 'no toolchain' },
      gates: [
        { measure: 'rate', between: 'nats-edge / relay', limit: '>= 10', value: 12, spread, passed: true },
        {
          measure: 'cpu',
          between: 'nats-edge / peer',
          limit: '<= 1',
          value: Number.NaN,
          passed: undefined,
          reason: 'x',
        },
        { measure: 'memory', limit: '<= 40', value: 30, passed: true },
        { measure: 'p99Ms', limit: '<= 250', value: 44, spread, passed: true },
        { measure: 'lag', limit: '<= 200', value: 233, passed: false },
      ],
    })
    expect(text).toContain('peer: not measured, no toolchain')
    expect(text).toMatch(/^ {2}relay +5123 /m)
    expect(text).toMatch(/^ {2}rate, nats-edge \/ relay +12\.000 +\(11\.000 to 13\.000\) +gate >= 10 +ok$/m)
    expect(text).toMatch(/^ {2}cpu, nats-edge \/ peer +- +gate <= 1 +not checked$/m)
    expect(text).toMatch(/^ {2}KiB per operation +30\.000 +gate <= 40 +ok$/m)
    expect(text).toMatch(/^ {2}p99, ms +44\.000 +\(11\.000 to 13\.000\) +gate <= 250 +ok$/m)
    expect(text).toMatch(/^ {2}event loop late by, p99, ms +233\.000 +gate <= 200 +FAILED$/m)
    expect(text).toContain('CPU s/10k under relay: relay 0.610')
  })

  it('leaves out latencies that no load took', () => {
    const none = { median: Number.NaN, lowest: Number.NaN, highest: Number.NaN }
    const text = rowReport({
      ...result,
      subject: side('nats-edge', { p50Ms: Number.NaN, p99Ms: Number.NaN }),
      ratios: { ...result.ratios, p50: none, p99: none },
    })
    expect(text).not.toMatch(/NaN|p50, ratio|p99, ratio/)
    expect(text).toMatch(/^ {2}nats-edge +5123 +0\.610 +- +- +15000/m)
  })

  it('says which gate failed, what the errors were and that the machine was busy', () => {
    const text = rowReport({
      ...result,
      subject: side('nats-edge', { errors: { 'status 503': 7 }, otherCores: 0.75 }),
      gates: [{ measure: 'cpu', limit: '<= 1', value: 1.9, passed: false }],
      errors: 7,
    })
    expect(text).toContain('gate <= 1  FAILED')
    expect(text).toContain('nats-edge: 7 x status 503')
    expect(text).toContain('disturbed: up to 0.8 cores')
  })

  it('says nothing of other load where it cannot be known', () => {
    expect(rowReport({ ...result, subject: side('nats-edge', { otherCores: undefined }) })).not.toContain('disturbed')
  })

  it('says how busy each process was, and what an operation holds', () => {
    const load = { operations: 10, seconds: 2, errors: {}, latencyCounts: [], bytesEach: 12_288 }
    const round = { load, cpuSeconds: { 'nats-edge': 1.8, load: 1, idle: 0.001 } } as unknown as Sample
    const text = rowReport({ ...result, subject: side('nats-edge', { rounds: [round, round] }) })
    expect(text).toContain('cores busy under nats-edge: nats-edge 0.90, load 0.50\n')
    expect(text).toContain('KiB per operation of nats-edge: 12.0\n')
  })
})

describe('machineLine', () => {
  it('names what figures depend on', () => {
    const machine = { cpu: 'Some CPU', cores: 2, memoryGiB: 8, system: 'linux 6.1', node: 'v24.0.0' }
    expect(machineLine(machine)).toBe('Some CPU, 2 cores, 8 GiB, linux 6.1, Node v24.0.0')
  })
})
