// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { originAllowed, type MissingOrigin, type Origins } from './origin.ts'

function asks(url: string, headers: Record<string, string>): Request {
  return new Request(url, { headers })
}

const own = 'https://app.example.com/ws'

const cases: readonly (readonly [allowed: boolean, url: string, origin: string, origins: Origins])[] = [
  // Same origin: scheme, host and port, spelled any way.
  [true, own, 'https://app.example.com', 'same'],
  [true, own, 'https://APP.example.COM', 'same'],
  [true, own, 'HTTPS://app.example.com', 'same'],
  [true, own, 'https://app.example.com:443', 'same'],
  [true, 'http://127.0.0.1:8080/', 'http://127.0.0.1:8080', 'same'],
  [true, 'http://[::1]:8080/', 'http://[::1]:8080', 'same'],
  [true, 'http://localhost/', 'http://localhost:80', 'same'],
  [true, 'https://xn--mnchen-3ya.de/', 'https://xn--mnchen-3ya.de', 'same'],
  [false, own, 'http://app.example.com', 'same'],
  [false, own, 'https://app.example.com:8443', 'same'],
  [false, own, 'https://example.com', 'same'],
  [false, own, 'https://evil.app.example.com', 'same'],
  [false, own, 'https://app.example.com.evil.net', 'same'],
  [false, own, 'https://app.example.com.', 'same'],
  [false, own, 'null', 'same'],
  [false, own, '', 'same'],
  [false, own, 'app.example.com', 'same'],
  [false, own, 'https://app.example.com/', 'same'],
  [false, own, 'https://user@app.example.com', 'same'],
  [false, own, 'https://app.example.com, https://evil.net', 'same'],
  [false, 'http://localhost:8080/', 'http://127.0.0.1:8080', 'same'],
  // A list: its entries and the own origin.
  [true, own, 'https://app.example.com', ['https://b.example.com']],
  [true, own, 'https://b.example.com', ['https://b.example.com']],
  [true, own, 'https://B.example.com:443', ['HTTPS://b.EXAMPLE.com']],
  [true, own, 'http://b.example.com:8080', ['https://a.example', 'http://b.example.com:8080']],
  [true, own, 'https://xn--mnchen-3ya.de', ['https://münchen.de']],
  [true, own, 'capacitor://localhost', ['capacitor://localhost']],
  [true, own, 'http://[2001:db8::1]:81', ['http://[2001:DB8::1]:81']],
  [false, own, 'http://b.example.com', ['https://b.example.com']],
  [false, own, 'https://b.example.com:8443', ['https://b.example.com']],
  [false, own, 'https://b.example.com', ['https://b.example.com:8443']],
  [false, own, 'null', ['https://b.example.com']],
  [false, own, 'https://b.example.com', []],
  // A wildcard is one label, and not none.
  [true, own, 'https://a.example.org', ['https://*.example.org']],
  [true, own, 'https://a.example.org:444', ['https://*.example.org:444']],
  [false, own, 'https://example.org', ['https://*.example.org']],
  [false, own, 'https://.example.org', ['https://*.example.org']],
  [false, own, 'https://a.b.example.org', ['https://*.example.org']],
  [false, own, 'https://aexample.org', ['https://*.example.org']],
  [false, own, 'https://a.example.org.evil.net', ['https://*.example.org']],
  [false, own, 'http://a.example.org', ['https://*.example.org']],
  [false, own, 'https://*.example.org', ['https://*.example.org']],
  // Without a scheme: http and https.
  [true, own, 'http://b.example.org', ['b.example.org']],
  [true, own, 'https://b.example.org', ['b.example.org']],
  [true, own, 'https://x.example.org', ['*.example.org']],
  [false, own, 'capacitor://b.example.org', ['b.example.org']],
  [false, own, 'https://b.example.org:8443', ['b.example.org']],
  // Everybody.
  [true, own, 'https://anybody.example', '*'],
  [true, own, 'null', '*'],
]

describe('originAllowed', () => {
  it.each(cases)('says %s on %s to Origin %j by %j', (allowed, url, origin, origins) => {
    expect(originAllowed(asks(url, { origin }), origins, 'no-cookie')).toBe(allowed)
  })

  it.each([
    ['no-cookie', {}, true],
    ['no-cookie', { cookie: 'session=1' }, false],
    ['allow', { cookie: 'session=1' }, true],
    ['deny', {}, false],
  ] as const)('treats a missing Origin under %s with %j as %s', (missingOrigin: MissingOrigin, headers, allowed) => {
    expect(originAllowed(asks(own, headers), 'same', missingOrigin)).toBe(allowed)
    // A wildcard opens the door to every Origin, not to none.
    expect(originAllowed(asks(own, headers), '*', missingOrigin)).toBe(allowed)
  })

  it('counts a cookie once the Origin has matched', () => {
    const headers = { origin: 'https://app.example.com', cookie: 'session=1' }
    expect(originAllowed(asks(own, headers), 'same', 'no-cookie')).toBe(true)
    expect(originAllowed(asks(own, { ...headers, origin: 'https://evil.example' }), 'same', 'allow')).toBe(false)
  })

  it.each([
    'null',
    '*',
    'https://',
    'https://a.example/path',
    'https://a.*.example',
    'https://u@a.example',
    'https://a.example:99999',
    '',
  ])('throws for the entry %j', (entry) => {
    expect(() => originAllowed(asks(own, { origin: 'https://b.example' }), [entry], 'deny')).toThrow(TypeError)
  })

  it('never allows a host that only begins or ends like an allowed one', () => {
    const label = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,12}$/)
    fc.assert(
      fc.property(label, label, (before, after) => {
        for (const host of [`${before}app.example.com`, `app.example.com.${after}`, `app.example.com${after}`]) {
          if (host === 'app.example.com') continue
          expect(originAllowed(asks(own, { origin: `https://${host}` }), ['https://app.example.com'], 'deny')).toBe(
            false,
          )
        }
      }),
      { numRuns: inject('propertyRuns') },
    )
  })

  it('never throws, whatever the client sends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (origin) => {
        expect(typeof originAllowed(asks(own, { origin }), ['https://*.example.org'], 'deny')).toBe('boolean')
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})
