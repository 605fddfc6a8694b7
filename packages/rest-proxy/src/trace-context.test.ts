// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { continueTrace, isTracestate, traceparentOf } from './trace-context.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'

describe('continueTrace', () => {
  it('keeps trace and flags and makes a span of its own', () => {
    const context = continueTrace(`00-${trace}-${span}-01`)
    expect(context).toMatchObject({ traceId: trace, parentSpanId: span, flags: '01' })
    expect(context?.spanId).toMatch(/^[0-9a-f]{16}$/)
    expect(context && traceparentOf(context)).toBe(`00-${trace}-${context?.spanId}-01`)
  })

  it('never gives the same span twice', () => {
    const spans = new Set(Array.from({ length: 1000 }, () => continueTrace(`00-${trace}-${span}-00`)?.spanId))
    expect(spans.size).toBe(1000)
  })

  it('reads a later version with more fields', () => {
    expect(continueTrace(`01-${trace}-${span}-01-more`)).toBeDefined()
  })

  it.each([
    '',
    `ff-${trace}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}-1`,
    `00-${trace}-${span}`,
    `00_${trace}_${span}_01`,
    ` 00-${trace}-${span}-01`,
  ])('refuses %j', (text) => {
    expect(continueTrace(text)).toBeUndefined()
  })
})

describe('isTracestate', () => {
  it.each(['a=1', 'vendor@tenant=x', 'a=1, b=2,,c=3', `a=${'x'.repeat(256)}`])('accepts %j', (text) => {
    expect(isTracestate(text)).toBe(true)
  })

  it.each([
    '',
    ',',
    'a',
    'A=1',
    'a=',
    'a=b=c',
    `a=${'x'.repeat(257)}`,
    'a=é',
    `k=${'x,k='.repeat(200)}`,
    Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(','),
  ])('refuses %.30j', (text) => {
    expect(isTracestate(text)).toBe(false)
  })
})
