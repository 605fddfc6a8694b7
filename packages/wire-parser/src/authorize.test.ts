// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { type Authorize, type AuthorizeContext, isAllowed } from './authorize.ts'
import { compilePermissions } from './permissions.ts'
import type { Principal } from './principal.ts'

const context: AuthorizeContext = { surface: 'rest', route: '/a' }
const ada: Principal = {
  id: 'test:ada',
  name: 'ada',
  claims: {},
  permissions: compilePermissions({ publish: { allow: ['a.*'] } }),
}

function broken(): never {
  throw new Error('broken')
}

function hook(answer: unknown): Authorize {
  return (() => answer) as Authorize
}

describe('isAllowed', () => {
  it('asks the permissions of the principal without a hook, at once', () => {
    expect(isAllowed(undefined, ada, 'publish', 'a.b', context)).toBe(true)
    expect(isAllowed(undefined, ada, 'request', 'b', context)).toBe(false)
    expect(isAllowed(undefined, ada, 'manage', 'stream.S.purge', context)).toBe(false)
  })

  it('allows everything with neither hook nor principal', () => {
    expect(isAllowed(undefined, undefined, 'manage', 'admin.x', context)).toBe(true)
  })

  it('lets the hook decide alone, at once', () => {
    expect(isAllowed(() => true, ada, 'publish', 'b', context)).toBe(true)
    expect(isAllowed(() => false, ada, 'publish', 'a.b', context)).toBe(false)
  })

  it('hands the hook what it was given', () => {
    const asked: unknown[] = []
    const hook: Authorize = (...all) => asked.push(all) > 0
    expect(isAllowed(hook, ada, 'subscribe', 'a.>', context)).toBe(true)
    expect(isAllowed(hook, undefined, 'request', 'b', context)).toBe(true)
    expect(asked).toEqual([
      [ada, 'subscribe', 'a.>', context],
      [undefined, 'request', 'b', context],
    ])
  })

  it('waits for a promise', async () => {
    for (const answer of [true, false]) {
      const asked = isAllowed(() => Promise.resolve(answer), ada, 'publish', 'b', context)
      expect(asked).toBeInstanceOf(Promise)
      expect(await asked).toBe(answer)
    }
  })

  it('refuses when the hook throws or rejects', async () => {
    expect(isAllowed(broken, ada, 'publish', 'a.b', context)).toBe(false)
    expect(await isAllowed(async () => broken(), ada, 'publish', 'a.b', context)).toBe(false)
  })

  it('refuses when the permissions throw', () => {
    const faulty: Principal = { ...ada, permissions: { allows: broken, covers: broken } }
    expect(isAllowed(undefined, faulty, 'publish', 'a.b', context)).toBe(false)
  })

  it.each([undefined, null, 1, 'true', {}])('refuses when a hook answers %j', async (answer) => {
    expect(await isAllowed(hook(answer), ada, 'publish', 'a.b', context)).toBe(false)
    expect(await isAllowed(hook(Promise.resolve(answer)), ada, 'publish', 'a.b', context)).toBe(false)
  })
})
