// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { parseEnvironment, reservedVariables, settingPaths, variableName } from './environment.ts'

describe('the environment', () => {
  it('has one variable per setting, and no two collide', () => {
    const names = settingPaths().map(variableName)
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThan(40)
    for (const name of names) expect(name).toMatch(/^NATS_EDGE(_[A-Z0-9]+)+$/)
    expect(names.filter((name) => reservedVariables.includes(name))).toEqual([])
  })

  it.each([
    [['nats', 'ping', 'maxOut'], 'NATS_EDGE_NATS_PING_MAX_OUT'],
    [['limits', 'connectionsPerIp'], 'NATS_EDGE_LIMITS_CONNECTIONS_PER_IP'],
  ])('calls %s %s', (path, name) => {
    expect(variableName(path)).toBe(name)
  })

  it('refuses an unknown variable with our prefix and says which was meant', () => {
    const { diagnostics } = parseEnvironment({ NATS_EDGE_LOG_LEVLE: 'debug', PATH: '/bin' }, new Set())
    expect(diagnostics).toMatchObject([{ code: 'config/unknown-variable', suggestion: 'NATS_EDGE_LOG_LEVEL' }])
  })

  it('accepts the variables of the broker and of the tests, and those the configuration itself names', () => {
    const env = { NATS_EDGE_CACHE_DIR: '/c', NATS_EDGE_TEST_SERVERS: 'a', NATS_EDGE_ADMIN_TOKEN: 't' }
    expect(parseEnvironment(env, new Set(['NATS_EDGE_ADMIN_TOKEN'])).diagnostics).toEqual([])
    const base = { listen: { admin: { token: { env: 'NATS_EDGE_ADMIN_TOKEN' } } } }
    expect(loadConfig({ base, files: [], env }).config.listen.admin.token).toBe('t')
  })

  it('never shows a value', () => {
    const env = { NATS_EDGE_NATS_PING_MAX_OUT: 'hunter2', NATS_EDGE_NATS_CREDENTIALS_PASSWORD: 'hunter3' }
    expect(() => loadConfig({ files: [], env })).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/hunter/) }),
    )
  })

  it.each([
    ['NATS_EDGE_NATS_SERVERS', 'nats://a:1', (c) => c.nats.servers, ['nats://a:1']],
    ['NATS_EDGE_NATS_SERVERS', '["nats://a:1","nats://b:2"]', (c) => c.nats.servers, ['nats://a:1', 'nats://b:2']],
    ['NATS_EDGE_INDEX', 'false', (c) => c.index, false],
    ['NATS_EDGE_REST_DEFAULT_ROUTE', 'false', (c) => c.rest.defaultRoute, false],
    ['NATS_EDGE_NATS_PING_INTERVAL', '2s', (c) => c.nats.ping.interval, 2000],
    ['NATS_EDGE_NATS_PING_INTERVAL', '1500', (c) => c.nats.ping.interval, 1500],
    ['NATS_EDGE_LISTEN_ADMIN_TOKEN', '12345', (c) => c.listen.admin.token, '12345'],
    ['NATS_EDGE_LOG_REDACT', '["x-a"]', (c) => c.log.redact, ['x-a']],
  ] as const satisfies readonly (readonly [
    string,
    string,
    (c: ReturnType<typeof loadConfig>['config']) => unknown,
    unknown,
  ])[])('reads %s=%s as the type its key has', (name, value, pick, expected) => {
    expect(pick(loadConfig({ files: [], env: { [name]: value } }).config)).toEqual(expected)
  })
})
