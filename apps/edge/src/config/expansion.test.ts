// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { expandVariables } from './expansion.ts'

const env = { HOST: 'broker', PORT: '4222', EMPTY: '' }

describe('expandVariables', () => {
  it.each([
    ['nats://${HOST}:${PORT}', 'nats://broker:4222'],
    ['${ABSENT:-fallback}', 'fallback'],
    ['${ABSENT:-}', ''],
    ['${HOST:-fallback}', 'broker'],
    ['${EMPTY:-fallback}', 'fallback'],
    ['[${EMPTY}]', '[]'],
    ['$${HOST}', '${HOST}'],
    ['$$${HOST}', '$${HOST}'],
    ['/orders/{id} {{claim.x}} $HOST ${} ${1}', '/orders/{id} {{claim.x}} $HOST ${} ${1}'],
  ])('turns %s into %s', (text, expanded) => {
    expect(expandVariables(text, env).text).toBe(expanded)
  })

  it('names what is unset and has no default', () => {
    const { unset, named } = expandVariables('${ABSENT} ${HOST} ${OTHER:-x}', env)
    expect(unset).toEqual(['ABSENT'])
    expect(named).toEqual(['ABSENT', 'HOST', 'OTHER'])
  })

  it('does not expand what a variable holds', () => {
    expect(expandVariables('${A}', { A: '${B}', B: 'x' }).text).toBe('${B}')
  })
})
