// SPDX-License-Identifier: Apache-2.0
import * as fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { matches, parsePattern, type Pattern } from './pattern.ts'
import { type Action, compilePermissions, type PermissionRules, type Permissions } from './permissions.ts'
import { parseSubject, type Subject } from './subject.ts'

const runs = { numRuns: inject('propertyRuns') }
const actions: readonly Action[] = ['publish', 'request', 'subscribe', 'deliver', 'manage']

function pattern(text: string): Pattern {
  return parsePattern(text) ?? expect.fail(`${text} is no pattern`)
}

function subject(text: string): Subject {
  return parseSubject(text) ?? expect.fail(`${text} is no subject`)
}

function allowed(permissions: Permissions, resource: string): Action[] {
  return actions.filter((action) => permissions.allows(action, resource))
}

describe('what is said nothing about', () => {
  it('may be published, requested and subscribed, but not managed', () => {
    expect(allowed(compilePermissions({}), 'a.b')).toEqual(['publish', 'request', 'subscribe', 'deliver'])
    expect(allowed(compilePermissions({ publish: {}, subscribe: {} }), 'a')).not.toContain('manage')
  })

  it('may be managed once there is a section for it', () => {
    expect(allowed(compilePermissions({ manage: {} }), 'stream.ORDERS.purge')).toContain('manage')
  })

  it('leaves reserved subjects to the gate', () => {
    expect(compilePermissions({}).allows('publish', '$SYS.x')).toBe(true)
    expect(compilePermissions({}).covers('subscribe', pattern('>'))).toBe('all')
  })
})

describe('allow and deny', () => {
  const permissions = compilePermissions({
    publish: { allow: ['orders.*.created', 'log.>'], deny: ['log.secret.>', 'orders.internal.*'] },
    subscribe: { allow: ['public.>', 'cmd.all'], deny: ['public.hidden', 'public.*.private'] },
    manage: { allow: ['stream.*.info', 'kv.>'], deny: ['kv.secrets.>'] },
  })

  it.each([
    ['publish', 'orders.1.created', true],
    ['publish', 'orders.1.deleted', false],
    ['publish', 'orders.internal.created', false],
    ['publish', 'log.a', true],
    ['publish', 'log', false],
    ['publish', 'log.secret.a', false],
    ['publish', 'log.secret', true],
    ['publish', 'public.a', false],
    ['request', 'log.a', true],
    ['request', 'log.secret.a', false],
    ['deliver', 'public.a', true],
    ['deliver', 'public.hidden', false],
    ['deliver', 'public.a.private', false],
    ['deliver', 'cmd.one', false],
    ['subscribe', 'cmd.all', true],
    ['subscribe', 'cmd.*', false],
    ['subscribe', 'public.>', true],
    ['subscribe', 'public.*', true],
    ['subscribe', 'public.hidden', false],
    ['subscribe', 'public.*.private', false],
    ['subscribe', 'public.a.private', false],
    ['subscribe', '>', false],
    ['subscribe', 'public.x.>', true],
    ['manage', 'stream.ORDERS.info', true],
    ['manage', 'stream.ORDERS.purge', false],
    ['manage', 'kv.b.put', true],
    ['manage', 'kv.secrets.put', false],
    ['manage', 'admin.connections.kick', false],
  ] as const)('%s %s: %s', (action, resource, expected) => {
    expect(permissions.allows(action, resource)).toBe(expected)
    expect(permissions.allows(action, resource)).toBe(expected)
  })

  it.each(['publish', 'request', 'deliver', 'manage'] as const)('%s of a pattern needs all of it', (action) => {
    const rules = { allow: ['a.>', 'b.*'], deny: ['a.secret'] }
    const permissions = compilePermissions({ publish: rules, subscribe: rules, manage: rules })
    expect(permissions.allows(action, 'b.*')).toBe(true)
    expect(permissions.allows(action, 'a.x.*')).toBe(true)
    expect(permissions.allows(action, 'a.*')).toBe(false)
    expect(permissions.allows(action, 'b.>')).toBe(false)
  })

  it.each([
    ['subscribe', 'public.a.b.c', 'all'],
    ['subscribe', 'public.>', 'some'],
    ['subscribe', 'public.*', 'some'],
    ['subscribe', 'public.hidden', 'none'],
    ['subscribe', '>', 'none'],
    ['subscribe', 'cmd.all', 'all'],
    ['deliver', '>', 'some'],
    ['deliver', 'cmd.*', 'some'],
    ['deliver', 'other.>', 'none'],
    ['deliver', 'public.a.*.*', 'all'],
    ['publish', 'orders.*.created', 'some'],
    ['publish', 'orders.internal.*', 'none'],
    ['subscribe', 'other.>', 'none'],
    ['manage', 'admin.>', 'none'],
    ['deliver', 'public.*.*', 'some'],
    ['request', 'log.x.>', 'all'],
    ['manage', 'kv.*.put', 'some'],
    ['manage', 'stream.*.info', 'all'],
  ] as const)('covers %s %s: %s', (action, text, expected) => {
    expect(permissions.covers(action, pattern(text))).toBe(expected)
  })

  it('covers none where nothing allowed is touched, whatever is denied there', () => {
    const permissions = compilePermissions({ publish: { allow: ['a'], deny: ['b.c'] } })
    expect(permissions.covers('publish', pattern('b.>'))).toBe('none')
  })

  it('allows nothing with an empty list', () => {
    const permissions = compilePermissions({ publish: { allow: [] }, subscribe: { allow: [] }, manage: { allow: [] } })
    expect(allowed(permissions, 'a')).toEqual([])
    expect(permissions.covers('deliver', pattern('>'))).toBe('none')
  })

  it.each(['', 'a b', 'a..b', '.a', 'a\n', '\0', 'a.>.b', '\ud800'])('refuses %j, which is no pattern', (resource) => {
    expect(allowed(compilePermissions({ manage: {} }), resource)).toEqual([])
  })

  it('takes resources beyond the limits of the gate, which is asked elsewhere', () => {
    const resource = Array.from({ length: 100 }, () => 'x'.repeat(50)).join('.')
    expect(compilePermissions({ publish: { allow: ['x.>', '>'] } }).allows('publish', resource)).toBe(true)
    expect(compilePermissions({ publish: { allow: ['y.>'] } }).allows('publish', resource)).toBe(false)
  })
})

describe('queue groups', () => {
  const permissions = compilePermissions({
    subscribe: { allow: ['news', 'news q1', 'jobs.* w.*', 'all.>'], deny: ['all.x admins', 'all.y'] },
  })

  it.each([
    ['news', undefined, true],
    ['news', 'q1', true],
    ['news', 'q2', false],
    ['jobs.a', undefined, false],
    ['jobs.a', 'w.1', true],
    ['jobs.*', 'w.1', true],
    ['jobs.a', 'w', false],
    ['jobs.a', 'x.1', false],
    ['all.x', undefined, true],
    ['all.x', 'users', true],
    ['all.x', 'admins', false],
    ['all.y', 'users', false],
    ['all.>', 'admins', true],
    ['news', 'a b', false],
    ['news', '', false],
    ['jobs.a', 'w.*', false],
    ['jobs.a', '>', false],
  ])('subscribe %s as %s: %s', (resource, queue, expected) => {
    expect(permissions.allows('subscribe', resource, queue)).toBe(expected)
    const literal = parseSubject(resource)
    if (literal !== undefined) expect(permissions.allows('deliver', literal, queue)).toBe(expected)
  })

  it('says which subscriptions need a check per message', () => {
    expect(permissions.covers('subscribe', pattern('all.>'), 'users')).toBe('some')
    expect(permissions.covers('subscribe', pattern('all.x'), 'users')).toBe('all')
    expect(permissions.covers('subscribe', pattern('all.z.>'), 'admins')).toBe('all')
    expect(permissions.covers('subscribe', pattern('jobs.*'), 'w.1')).toBe('all')
    expect(permissions.covers('deliver', pattern('jobs.*'))).toBe('none')
    expect(permissions.covers('deliver', pattern('all.>'), '>')).toBe('none')
  })

  it('means nothing outside of subscribe', () => {
    expect(() => compilePermissions({ publish: { allow: ['a q'] } })).toThrow(TypeError)
  })
})

describe('templates', () => {
  it('fill in the principal', () => {
    const rules = {
      publish: { allow: ['dev.{{name}}.>'] },
      subscribe: { allow: ['cmd.{{name}}', 'room.{{claim.rooms}}'] },
    }
    const permissions = compilePermissions(rules, { name: 'm1', claims: { rooms: ['a', 'b'] } })
    expect(permissions.allows('publish', 'dev.m1.temperature')).toBe(true)
    expect(permissions.allows('publish', 'dev.m2.temperature')).toBe(false)
    expect(permissions.allows('subscribe', 'room.b')).toBe(true)
    expect(permissions.allows('subscribe', 'room.c')).toBe(false)
    expect(permissions.allows('subscribe', 'room.*')).toBe(false)
  })

  it.each(['*', '>', 'a.b', '', 'a b', undefined])('grant nothing for an allow entry with the name %j', (name) => {
    const rules = { publish: { allow: ['dev.{{name}}', 'open'] }, subscribe: { allow: ['{{name}}'] } }
    const permissions = compilePermissions(rules, name === undefined ? {} : { name })
    expect(permissions.allows('publish', 'open')).toBe(true)
    expect(permissions.allows('publish', 'dev.a')).toBe(false)
    expect(permissions.covers('publish', pattern('dev.>'))).toBe('none')
    expect(permissions.allows('subscribe', 'a')).toBe(false)
  })

  it.each(['publish', 'subscribe', 'manage'] as const)(
    'refuse everything where a deny entry of %s cannot be filled',
    (section) => {
      const rules: PermissionRules = { publish: {}, subscribe: {}, manage: {}, [section]: { deny: ['x.{{claim.no}}'] } }
      const permissions = compilePermissions(rules)
      expect(allowed(permissions, 'a')).toEqual([])
      for (const action of actions) expect(permissions.covers(action, pattern('a'))).toBe('none')
    },
  )
})

function faulty(rules: unknown): () => unknown {
  return () => compilePermissions(rules as PermissionRules)
}

describe('faults in rules', () => {
  it.each([
    [{ publsh: {} }, 'permissions has no key "publsh", only publish, subscribe, manage'],
    [{ publish: { alow: ['a'] } }, 'publish has no key "alow", only allow, deny'],
    [{ publish: ['a'] }, 'publish must be an object'],
    [{ manage: null }, 'manage must be an object with the keys allow, deny'],
    [{ publish: null }, 'publish must be an object'],
    [{ publish: { allow: null } }, 'publish.allow must be a list of texts'],
    [{ publish: { deny: null } }, 'publish.deny must be a list of texts'],
    [[], 'permissions must be an object'],
    [null, 'permissions must be an object'],
    [{ subscribe: { allow: 'a' } }, 'subscribe.allow must be a list of texts'],
    [{ subscribe: { deny: [1] } }, 'subscribe.deny must be a list of texts'],
    [{ subscribe: { deny: ['a..b'] } }, 'permission "a..b"'],
    [{ publish: { allow: ['a.{{user}}'] } }, 'template "a.{{user}}", position 3'],
  ])('%j throws a TypeError that names it', (rules, message) => {
    expect(faulty(rules)).toThrow(TypeError)
    expect(faulty(rules)).toThrow(message)
  })

  it('are found behind a deny entry that cannot be filled', () => {
    expect(faulty({ publish: { deny: ['{{claim.x}}', 'a..b'] } })).toThrow('permission "a..b"')
  })
})

describe('many rules', () => {
  const numbers = Array.from({ length: 5000 }, (_, index) => index)
  const permissions = compilePermissions({
    publish: { allow: numbers.map((n) => `dev.${n}.*`), deny: numbers.map((n) => `dev.${n}.secret`) },
  })

  it('are all found, again and again', () => {
    for (const last of ['temp', 'secret', 'temp']) {
      const found = numbers.filter((n) => permissions.allows('publish', `dev.${n}.${last}`))
      expect(found).toHaveLength(last === 'temp' ? numbers.length : 0)
    }
    expect(permissions.allows('publish', 'dev.5000.temp')).toBe(false)
  })

  it('cost at most four times what a few cost, for subjects seen before', () => {
    const few = compilePermissions({ publish: { allow: ['dev.1.*'], deny: ['dev.1.secret'] } })
    const subjects = numbers.slice(0, 100).map((n) => subject(`dev.${n}.temp`))
    const cpuOf = (asked: Permissions): number => {
      const before = process.cpuUsage()
      for (let i = 0; i < 200_000; i++) asked.allows('publish', subjects[i % 100] ?? '')
      return process.cpuUsage(before).user
    }
    cpuOf(few)
    cpuOf(permissions)
    const best = (asked: Permissions): number => Math.min(cpuOf(asked), cpuOf(asked), cpuOf(asked))
    expect(best(permissions)).toBeLessThan(4 * best(few))
  })
})

function list(of: fc.Arbitrary<string>): fc.Arbitrary<string[]> {
  return fc.array(of, { maxLength: 12 })
}

/** One rule list as its words say, for one subject and queue group. */
function listed(entries: readonly string[], text: Subject, group: string | undefined): string[] {
  return entries
    .filter((each) => matches(pattern(each.split(' ')[0] ?? ''), text))
    .map((each) => each.split(' ')[1])
    .map((name) =>
      name === undefined ? 'plain' : group !== undefined && matches(pattern(name), subject(group)) ? 'own' : 'other',
    )
}

function reference(
  rule: { allow: readonly string[]; deny: readonly string[] },
  text: Subject,
  group: string | undefined,
): boolean {
  const denied = listed(rule.deny, text, group)
  if (denied.includes('plain') || denied.includes('own')) return false
  const found = listed(rule.allow, text, group)
  const only = group !== undefined && found.some((kind) => kind !== 'plain')
  return only ? found.includes('own') : found.includes('plain')
}

describe('reliability T2: effective is within granted', () => {
  const token = fc.constantFrom('a', 'b')
  const anyPattern = fc
    .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([tokens, rest]) => tokens.join('.') + (rest ? '.>' : ''))
  const entry = fc.oneof({ weight: 12, arbitrary: anyPattern }, fc.constant('>'))
  const queueEntry = fc.tuple(entry, fc.constantFrom('', '', ' q', ' r', ' q.*')).map((parts) => parts.join(''))
  const rules = fc.record({ allow: list(queueEntry), deny: list(queueEntry) })
  const queue = fc.constantFrom(undefined, 'q', 's', 'q.1')
  const subjects = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => subject(tokens.join('.')))

  it('decides on each message as the rules read', () => {
    fc.assert(
      fc.property(rules, subjects, queue, (rule, text, group) => {
        expect(compilePermissions({ subscribe: rule }).allows('deliver', text, group)).toBe(
          reference(rule, text, group),
        )
      }),
      runs,
    )
  })

  it('covers all, some or none of what a pattern matches, as asking for each message shows', () => {
    fc.assert(
      fc.property(
        rules,
        entry,
        queue,
        fc.array(subjects, { minLength: 20, maxLength: 20 }),
        (rule, text, group, messages) => {
          const permissions = compilePermissions({ subscribe: rule })
          const asked = pattern(text)
          const verdicts = messages.filter((each) => matches(asked, each)).map((each) => reference(rule, each, group))
          const covers = permissions.covers('deliver', asked, group)
          if (covers === 'all') expect(verdicts).not.toContain(false)
          if (covers === 'none') expect(verdicts).not.toContain(true)
          const subscription = permissions.covers('subscribe', asked, group)
          if (subscription === 'all') expect(verdicts).not.toContain(false)
          expect(permissions.allows('subscribe', asked, group)).toBe(subscription !== 'none')
          expect(permissions.allows('deliver', asked, group)).toBe(covers === 'all')
        },
      ),
      runs,
    )
  })

  it('takes a subscription only within one allowed pattern', () => {
    fc.assert(
      fc.property(rules, entry, subjects, (rule, text, message) => {
        const permissions = compilePermissions({ subscribe: rule })
        if (!permissions.allows('subscribe', text) || !matches(pattern(text), message)) return
        expect(listed(rule.allow, message, undefined)).toContain('plain')
      }),
      runs,
    )
  })
})
