// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { compareVersions, parseVersionRange, satisfiesVersion } from './version-range.ts'

describe('satisfiesVersion', () => {
  it.each([
    ['>=2.9.10', '2.9.10', true],
    ['>=2.9.10', '2.9.9', false],
    ['>=2.9.10', '2.10.0', true],
    ['>2.9.10', '2.9.10', false],
    ['>2.9.10', '2.9.11', true],
    ['>2.9', '2.9.99', false],
    ['>2.9', '2.10.0', true],
    ['<2.10', '2.9.99', true],
    ['<2.10', '2.10.0', false],
    ['<2.10', '2.10.0-RC.1', false],
    ['<2.10.0', '2.10.0-RC.1', true],
    ['<=2.10', '2.10.29', true],
    ['<=2.10', '2.11.0', false],
    ['<=2.10.3', '2.10.3', true],
    ['<=2.10.3', '2.10.4', false],
    ['2.10.22', '2.10.22', true],
    ['=2.10.22', '2.10.23', false],
    ['2.10', '2.10.7', true],
    ['=2.10', '2.11.0', false],
    ['2', '2.99.99', true],
    ['2', '3.0.0', false],
    ['*', '0.0.1', true],
    ['^2.9.10', '2.15.2', true],
    ['^2.9.10', '2.9.9', false],
    ['^2.9.10', '3.0.0-RC.1', false],
    ['^0.2.3', '0.2.9', true],
    ['^0.2.3', '0.3.0', false],
    ['^0.0.3', '0.0.4', false],
    ['^0.0', '0.0.9', true],
    ['^0', '0.9.9', true],
    ['~2.12.3', '2.12.9', true],
    ['~2.12.3', '2.13.0', false],
    ['~2.12', '2.12.0', true],
    ['~2', '2.99.0', true],
    ['>=2.9.10 <2.10', '2.9.25', true],
    ['>=2.9.10 <2.10', '2.10.0', false],
    ['>= 2.9.10  < 2.10', '2.9.25', true],
    ['>=2.12.12 <2.13 || >=2.14.3', '2.12.12', true],
    ['>=2.12.12 <2.13 || >=2.14.3', '2.13.1', false],
    ['>=2.12.12 <2.13||>=2.14.3', '2.15.0', true],
    ['>=v2.9', 'v2.9.0', true],
    ['>=2.15.0-RC.2', '2.15.0-RC.10', true],
    ['>=2.15.0-RC.2', '2.15.0-RC.1', false],
    ['>=2.15.0', '2.15.0-RC.1', false],
    ['2.15.2', '2.15.2+meta', true],
    ['*', 'latest', false],
    ['*', '2.9', false],
  ])('%s of %s is %s', (range, version, holds) => {
    expect(satisfiesVersion(version, range)).toBe(holds)
  })

  it.each([
    '',
    ' ',
    'latest',
    '>=',
    '2.x',
    '2.9.10 ||',
    '|| 2',
    '>=2.9.10,<3',
    '=>2',
    '2..1',
    '2.9.10.1',
    '>=2.9-RC.1',
  ])('refuses the range %j', (range) => {
    expect(() => parseVersionRange(range)).toThrow(TypeError)
  })

  it('names the part it cannot read', () => {
    expect(() => parseVersionRange('>=2.9 <tomorrow')).toThrow(
      'version range ">=2.9 <tomorrow": "<tomorrow" is not a comparator such as >=2.9.10, <2.10, ^2.14 or ~2.12.1',
    )
  })
})

const number = fc.integer({ min: 0, max: 3 })
const version = fc
  .tuple(number, number, number, fc.constantFrom('', '-0', '-1', '-RC.1', '-RC.2', '-RC.1.1', '-a'))
  .map(([major, minor, patch, tail]) => `${major}.${minor}.${patch}${tail}`)

describe('compareVersions', () => {
  it('puts pre-releases in the order of Semantic Versioning', () => {
    const ordered = [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
      '1.0.1',
    ]
    expect(ordered.toReversed().sort(compareVersions)).toEqual(ordered)
    expect(['2.9.10', 'x', '2.10.0'].sort(compareVersions)).toEqual(['x', '2.9.10', '2.10.0'])
  })

  it('orders any versions, the same way in every range', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        const order = Math.sign(compareVersions(a, b))
        expect(Math.sign(compareVersions(b, a)) + order).toBe(0)
        expect(order === 0).toBe(a === b)
        if (order <= 0 && compareVersions(b, c) <= 0) expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
        expect(satisfiesVersion(a, `>=${b}`)).toBe(order >= 0)
        expect(satisfiesVersion(a, `<${b}`)).toBe(order < 0)
        expect(satisfiesVersion(a, `>${b}`)).toBe(order > 0)
        expect(satisfiesVersion(a, `<=${b}`)).toBe(order <= 0)
        expect(satisfiesVersion(a, b)).toBe(order === 0)
        if (satisfiesVersion(a, `^${b}`)) expect(order).toBeGreaterThanOrEqual(0)
        expect(satisfiesVersion(a, `>=${b} <=${c}`)).toBe(
          satisfiesVersion(a, `>=${b}`) && satisfiesVersion(a, `<=${c}`),
        )
        expect(satisfiesVersion(a, `<${b} || >${c}`)).toBe(satisfiesVersion(a, `<${b}`) || satisfiesVersion(a, `>${c}`))
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('throws only TypeErrors, whatever the range is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(typeof parseVersionRange(text)('2.9.10')).toBe('boolean')
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
        }
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
