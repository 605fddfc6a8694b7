// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { ConfigSources, LoadedConfig } from './config.ts'
import { loadConfig, parseConfig } from './config.ts'
import type { Diagnostic } from './config/diagnostic.ts'
import { ConfigError, diagnosticRecord } from './config/diagnostic.ts'
import { searchPath } from './config/search-path.ts'

let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nats-edge-config-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

let count = 0

function write(text: string, extension = 'yaml'): string {
  const path = join(folder, `file${count++}.${extension}`)
  writeFileSync(path, text)
  return path
}

function load(text: string, more: ConfigSources = {}): LoadedConfig {
  return loadConfig({ env: {}, files: [write(text)], ...more })
}

function faults(text: string, more: ConfigSources = {}): readonly Diagnostic[] {
  try {
    load(text, more)
  } catch (error) {
    if (error instanceof ConfigError) return error.diagnostics
    throw error
  }
  return []
}

function brief(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map((each) => {
    const { line, column, code, path } = diagnosticRecord(each)
    return `${line}:${column} ${code} ${path}`
  })
}

describe('defaults', () => {
  it('are what the documentation says', () => {
    const { config } = load('')
    expect(config.nats).toEqual({
      servers: ['nats://127.0.0.1:4222'],
      ping: { interval: 1000, maxOut: 2 },
      waitOnStart: true,
      exitOnNatsLoss: false,
      pendingMax: 8_388_608,
    })
    expect(config.limits).toEqual({
      connections: 10_000,
      connectionsPerIp: 100,
      url: { max: 8192 },
      headers: { max: 16_384, count: 100 },
      body: { max: 1_048_576, minRate: 1024 },
      deadlines: { headers: 10_000, body: 30_000, write: 30_000, keepAlive: 65_000 },
    })
    expect(config.shutdown).toEqual({ delay: 0, grace: 25_000 })
    expect(config.listen.admin).toEqual({ address: '127.0.0.1:9180', profiles: false })
    expect(config.rest).toEqual({ path: '/' })
  })
})

describe('precedence', () => {
  it('is defaults, base, files in order, environment, flags', () => {
    const sources: ConfigSources = {
      base: { log: { level: 'trace', format: 'pretty', access: false } },
      files: [write('log: { level: debug, format: json }'), write('log: { level: warn }')],
      env: { NATS_EDGE_LOG_LEVEL: 'error' },
    }
    expect(loadConfig(sources).config.log).toMatchObject({ level: 'error', format: 'json', access: false })
    const assignments = [{ flag: '--set', text: 'log.level=fatal' }]
    expect(loadConfig({ ...sources, assignments }).config.log.level).toBe('fatal')
  })

  it('merges maps and replaces lists', () => {
    const files = [
      write('nats: { servers: [nats://a:1, nats://b:1], ping: { maxOut: 5 } }'),
      write('nats: { servers: [nats://c:1], ping: { interval: 2s } }'),
    ]
    const { nats } = loadConfig({ files, env: {} }).config
    expect(nats).toMatchObject({ servers: ['nats://c:1'], ping: { maxOut: 5, interval: 2000 } })
  })

  it('takes the last of two equal assignments, and a value with equals signs whole', () => {
    const assignments = ['nats.credentials.token=a', 'nats.credentials.token=b=c='].map((text) => ({
      flag: '--set',
      text,
    }))
    expect(load('', { assignments }).config.nats.credentials).toEqual({ token: 'b=c=' })
  })
})

describe('formats', () => {
  it('reads JSON, tabs included, and keeps its positions', () => {
    const path = write('{\n\t"log": { "level": "debug" },\n\t"indx": true\n}', 'json')
    expect(() => loadConfig({ files: [path], env: {} })).toThrow(`${path}:3:2: error config/unknown-key`)
  })

  it.each([
    ['{ "index": true, }', 1, 18],
    ['{ index: true }', 1, 3],
    ['// no\n{ "index": true }', 1, 1],
  ])('refuses what is YAML but not JSON: %j', (text, line, column) => {
    const path = write(text, 'json')
    expect(() => loadConfig({ files: [path], env: {} })).toThrow(`${path}:${line}:${column}: error config/syntax`)
  })

  it('follows anchors, and stops at a file that unfolds without end', () => {
    expect(load('nats: { ping: &p { maxOut: 3 } }').config.nats.ping.maxOut).toBe(3)
    const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`)
    const bomb = `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${levels.join('\n')}`
    expect(brief(faults(bomb)).join('\n')).toContain('config/syntax')
  })

  it('takes an empty file, and refuses one that is no map', () => {
    expect(load('# nothing').config.index).toBe(true)
    expect(brief(faults('- a\n- b'))).toEqual(['1:1 config/wrong-type '])
  })

  it('names a file that cannot be read and a format it does not know', () => {
    const absent = join(folder, 'absent.yaml')
    expect(() => loadConfig({ files: [absent], env: {} })).toThrow(`${absent}:1:1: error config/unreadable`)
    expect(() => loadConfig({ files: [write('', 'ini')], env: {} })).toThrow('must end in .yaml, .yml or .json')
  })
})

describe('errors', () => {
  it('are reported all at once, in the order of the file, with a caret and a suggestion', () => {
    const path = write(
      ['nats:', '  pign: 1s', '  ping: { maxOut: two }', 'index: yes', 'limits: { body: { max: 1MB } }', ''].join('\n'),
    )
    const text = [
      `${path}:2:3: error config/unknown-key: "pign" is not a key of "nats"`,
      '    2 |   pign: 1s',
      '      |   ^^^^ did you mean "ping"?',
      `${path}:3:19: error config/wrong-type: "nats.ping.maxOut" must be a number`,
      '    3 |   ping: { maxOut: two }',
      '      |                   ^^^',
      `${path}:4:8: error config/wrong-type: "index" must be true or false`,
      '    4 | index: yes',
      '      |        ^^^',
      `${path}:5:24: error config/invalid-value: "limits.body.max" must be a size such as 512B, 64KiB or 1MiB`,
      '    5 | limits: { body: { max: 1MB } }',
      '      |                        ^^^',
    ].join('\n')
    expect(() => loadConfig({ files: [path], env: {} })).toThrow(expect.objectContaining({ message: text }))
  })

  it.each([
    ['index: true\nindex: false', ['2:1 config/duplicate-key ']],
    ['nats: { waitOnStart: true, waitOnStart: false }', ['1:28 config/duplicate-key ']],
    ['index: [1,', ['1:11 config/syntax ']],
    ['index: !custom true', ['1:8 config/syntax ']],
    ['? [a]\n: 1', ['1:1 config/syntax ']],
    ['version: 2', ['1:10 config/invalid-value version']],
    ['limits: 5', ['1:9 config/wrong-type limits']],
    ['limits: { connections: 0 }', ['1:24 config/invalid-value limits.connections']],
    ['limits: { connections: 1.5 }', ['1:24 config/wrong-type limits.connections']],
    ['shutdown: { grace: 25d }', ['1:20 config/invalid-value shutdown.grace']],
    ['shutdown: { grace: 1000h }', ['1:20 config/invalid-value shutdown.grace']],
    ['listen: { admin: { address: localhost } }', ['1:29 config/invalid-value listen.admin.address']],
    ['listen: { admin: { address: "127.0.0.1:70000" } }', ['1:29 config/invalid-value listen.admin.address']],
    [
      'listen: { public: { trustedProxies: [10.0.0.0/33] } }',
      ['1:38 config/invalid-value listen.public.trustedProxies[0]'],
    ],
    [
      'listen: { public: { clientAddressHeader: "x-forwarded-for, forwarded" } }',
      ['1:42 config/invalid-value listen.public.clientAddressHeader'],
    ],
    [
      'listen: { public: { clientAddressHeader: [forwarded] } }',
      ['1:42 config/wrong-type listen.public.clientAddressHeader'],
    ],
    ['nats: { servers: [] }', ['1:18 config/invalid-value nats.servers']],
    ['nats: { credentials: { user: a } }', ['1:22 config/invalid-value nats.credentials']],
    ['nats: { credentials: { token: a, nkeySeed: b } }', ['1:22 config/invalid-value nats.credentials']],
    ['nats: { credentials: { file: /absent } }', ['1:30 config/invalid-value nats.credentials.file']],
    ['rest: { path: a }', ['1:15 config/invalid-value rest.path']],
    ['rest: { path: /a/ }', ['1:15 config/invalid-value rest.path']],
    ['rest: { routes: [{ subject: a }] }', ['1:18 config/missing-key rest.routes[0].path']],
    ['rest: { routes: [{ path: /a, envelope: header }] }', ['1:40 config/invalid-value rest.routes[0].envelope']],
    ['rest: { defaultRoute: true }', ['1:23 config/wrong-type rest.defaultRoute']],
    ['rest: { defaultRoute: { prefx: a } }', ['1:25 config/unknown-key rest.defaultRoute.prefx']],
    [
      'rest: { routes: [{ path: /a, params: { id: { pattern: "(" } } }] }',
      ['1:55 config/invalid-value rest.routes[0].params.id.pattern'],
    ],
    ['shutdown: { grace: "${ABSENT}" }', ['1:20 config/unset-variable ', '1:20 config/invalid-value shutdown.grace']],
  ])('of %j stand where the fault is', (text, expected) => {
    expect(brief(faults(text))).toEqual(expected)
  })

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])('refuses %s as a key', (key) => {
    expect(brief(faults(`${key}: { polluted: true }`))).toEqual([`1:1 config/unknown-key ${key}`])
    expect(brief(faults(`nats: { ${key}: 1 }`))).toEqual([`1:9 config/unknown-key nats.${key}`])
    expect(brief(faults(`log: { ${key}: x, level: info }`))).toEqual([`1:8 config/unknown-key log.${key}`])
    expect({}).not.toHaveProperty('polluted')
  })

  it('keeps a __proto__ of a free map away from the prototype (reliability T16)', () => {
    const { rest } = load('rest: { routes: [{ path: /a, requestHeaders: { set: { __proto__: x, X-A: y } } }] }').config
    expect({}).not.toHaveProperty('X-A')
    expect(Object.getPrototypeOf(rest.routes?.[0]?.requestHeaders?.set ?? {})).not.toHaveProperty('X-A')
  })

  it('are plain data for --json', () => {
    const [record] = faults('indx: true').map(diagnosticRecord)
    expect(record).toEqual({
      file: expect.stringContaining(folder),
      line: 1,
      column: 1,
      severity: 'error',
      code: 'config/unknown-key',
      path: 'indx',
      message: '"indx" is not a key of the configuration',
      suggestion: 'index',
    })
  })

  it('stand in a flag as they stand in a file', () => {
    const assignments = [
      { flag: '--set', text: 'nats.pign.maxOut=2' },
      { flag: '--set', text: 'index' },
      { flag: '--port', text: 'listen.public.address=nowhere' },
    ]
    const found = faults('', { assignments })
    expect(found.map((each) => `${each.span.source.name} ${each.code}`)).toEqual([
      '--set config/unknown-key',
      '--set config/syntax',
      '--port config/invalid-value',
    ])
  })
})

describe('unknown keys', () => {
  it('are warnings when lenient, and nothing else is', () => {
    const loaded = load('indx: 1\nrest: { routes: [{ path: /a, sbject: b }] }\nlog: { lvl: 1, level: debug }', {
      lenient: true,
    })
    expect(loaded.config.log.level).toBe('debug')
    expect(loaded.warnings.map((each) => [each.severity, each.code, diagnosticRecord(each).path])).toEqual([
      ['warning', 'config/unknown-key', 'rest.routes[0].sbject'],
      ['warning', 'config/unknown-key', 'log.lvl'],
      ['warning', 'config/unknown-key', 'indx'],
    ])
    expect(brief(faults('indx: 1\nindex: 5', { lenient: true }))).toEqual(['2:8 config/wrong-type index'])
  })
})

describe('profiles without a token', () => {
  const exposed = ['1:30 config/public-without-auth listen.admin.profiles']

  it('are an error where they are switched on, on loopback and with --insecure too (reliability T29)', () => {
    const text = 'listen: { admin: { profiles: true } }'
    expect(brief(faults(text))).toEqual(exposed)
    expect(brief(faults(text, { insecure: true }))).toEqual(exposed)
    expect(faults(text).map(({ message }) => message)).toEqual([
      '"listen.admin.profiles" is true, and profiles hold what is in memory: set "listen.admin.token" too',
    ])
  })

  it('are an error beside others, and from a variable', () => {
    expect(brief(faults('listen: { admin: { profiles: true } }\nindx: 1'))).toEqual([
      ...exposed,
      '2:1 config/unknown-key indx',
    ])
    const fromVariable = faults('index: true', { env: { NATS_EDGE_LISTEN_ADMIN_PROFILES: 'true' } })
    expect(fromVariable.map(({ code }) => code)).toEqual(['config/public-without-auth'])
  })

  it('are none when they are off, or have a token', () => {
    expect(load('listen: { admin: { profiles: false } }').config.listen.admin.profiles).toBe(false)
    const guarded = load('listen: { admin: { profiles: true, token: { env: TOKEN } } }', { env: { TOKEN: 'a' } })
    expect(guarded.config.listen.admin).toMatchObject({ profiles: true, token: 'a' })
  })
})

function tokenOf(token: string, env = {}): unknown {
  return load(`nats: { credentials: { token: ${token} } }`, { env }).config.nats.credentials?.token
}

describe('secrets', () => {
  it('come from a text, a file or a variable', () => {
    const file = write('from-file\n', 'txt')
    expect(tokenOf('plain')).toBe('plain')
    expect(tokenOf(`{ file: ${file} }`)).toBe('from-file')
    expect(tokenOf('{ env: TOKEN }', { TOKEN: 'from-env' })).toBe('from-env')
    expect(tokenOf('"${TOKEN}"', { TOKEN: '123' })).toBe('123')
  })

  it('that cannot be read are errors where they are named', () => {
    const text = 'nats: { credentials: { token: { env: ABSENT } } }\nlisten: { admin: { token: { file: /absent } } }'
    expect(brief(faults(text))).toEqual([
      '1:31 config/unreadable-secret nats.credentials.token',
      '2:27 config/unreadable-secret listen.admin.token',
    ])
  })

  it('never appear in an error, wherever the error is', () => {
    const canary = 'hunter2-canary'
    const texts = [
      `nats: { credentials: { token: ["${canary}"] } }`,
      `nats: { credentials: { user: a, password: ${canary}, passwrod: ${canary} } }`,
      `nats: { credentials: { user: a, password: ${canary} }, pign: 1 }`,
      `nats:\n  servers: "nats://u:${canary}@h:1"\n  credentials: { token: '${canary}' } ]`,
      `nats: { servers: ["nats://u:${canary}@h:1", 5] }`,
      `nats: { credentials: { user: a, tokne: ${canary} }, pign: 1 }`,
      `nats: { credentials: { token: { vaule: ${canary} } } }`,
      `nats: { credentials: { nkeySeed: ${canary}, token: ${canary} } }`,
      `listen: { admin: { "token": "${canary}", hosts: 5 } }`,
    ]
    for (const text of texts) {
      const messages = faults(text).map(
        (each) => new ConfigError([each]).message + JSON.stringify(diagnosticRecord(each)),
      )
      expect(messages.length, text).toBeGreaterThan(0)
      expect(messages.join('\n'), text).not.toContain(canary)
    }
    const assignments = [
      { flag: '--set', text: `nats.credentials.tokne=${canary}` },
      { flag: '--set', text: `nats.credentials.token.x=${canary}` },
    ]
    expect(() => load('', { assignments })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(canary) }),
    )
  })
})

describe('variables in files', () => {
  it('give numbers and booleans where these are wanted, texts elsewhere', () => {
    const env = { N: '7', B: 'false', T: '42' }
    const { config } = load('limits: { connections: "${N}" }\nindex: ${B}\nnats: { credentials: { token: "${T}" } }', {
      env,
    })
    expect([config.limits.connections, config.index, config.nats.credentials?.token]).toEqual([7, false, '42'])
  })
})

describe('the search path', () => {
  it('finds nothing, or the first file that exists', () => {
    const home = join(folder, 'home')
    mkdirSync(join(home, 'nats-edge'), { recursive: true })
    const env = { XDG_CONFIG_HOME: home }
    expect(searchPath(env).slice(0, 4)).toEqual([
      'nats-edge.yaml',
      'nats-edge.yml',
      'nats-edge.json',
      join(home, 'nats-edge/config.yaml'),
    ])
    expect(loadConfig({ env }).files).toEqual([])
    writeFileSync(join(home, 'nats-edge/config.json'), '{ "index": false }')
    expect(loadConfig({ env })).toMatchObject({
      files: [join(home, 'nats-edge/config.json')],
      config: { index: false },
    })
    writeFileSync(join(home, 'nats-edge/config.yml'), 'index: true')
    expect(loadConfig({ env }).config.index).toBe(true)
  })
})

describe('parseConfig', () => {
  it('takes what a program passes, and leaves ${} in it alone', () => {
    const { config } = parseConfig({
      rest: { routes: [{ path: '/a', subject: 'a', requestHeaders: { set: { 'X-A': '${HOME}' } } }] },
    })
    expect(config.rest.routes?.[0]?.requestHeaders?.set).toEqual({ 'X-A': '${HOME}' })
    expect(() => parseConfig({ indx: true })).toThrow(ConfigError)
  })
})

describe('any text', () => {
  it('is a configuration or a ConfigError with positions inside the file', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'nats',
        ':',
        ' ',
        '\n',
        '  ',
        '{',
        '}',
        '[',
        ']',
        '"',
        "'",
        ',',
        '-',
        '#',
        '&a',
        '*a',
        '<<',
        '|',
        '>',
        '!',
        '${A}',
        '\t',
        '\r\n',
      ),
      fc.string({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join('')
        const path = join(folder, 'any.yaml')
        writeFileSync(path, text)
        try {
          loadConfig({ files: [path], env: {} })
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          for (const each of error.diagnostics) {
            const { line, column } = diagnosticRecord(each)
            expect(line).toBeLessThanOrEqual(text.split('\n').length)
            expect(column).toBeGreaterThanOrEqual(1)
          }
        }
      }),
      { numRuns: inject('propertyRuns') },
    )
  })
})

describe('file permissions', () => {
  it.skipIf(process.getuid?.() === 0)(
    'that forbid reading are an error (skipped for root, who may read everything)',
    () => {
      const path = write('index: true')
      chmodSync(path, 0)
      expect(() => loadConfig({ files: [path], env: {} })).toThrow('config/unreadable')
    },
  )
})
