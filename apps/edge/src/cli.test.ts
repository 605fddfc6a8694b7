// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { runCli } from './cli.ts'

interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function result(args: readonly string[]): Promise<Result> {
  let out = ''
  let err = ''
  const code = await runCli(args, {
    out: (line) => {
      out += `${line}\n`
    },
    err: (line) => {
      err += `${line}\n`
    },
  })
  return { code, out, err }
}

describe('the command line', () => {
  it.each([
    [['serve', '--insecrue'], '--insecrue is not a flag of this command; did you mean --insecure?'],
    [['srve'], '"srve" is not a command; did you mean serve?'],
    [['serve', 'extra'], '"extra" is one word too many'],
    [['serve', '-c'], '-c needs a value'],
    [['serve', '--set', '--lenient'], '--set needs a value'],
    [['serve', '--insecure=yes'], '--insecure takes no value'],
    [['dev', '--port', '1', '--port', '2'], '--port is given twice'],
    [['dev', '--port', '80a'], '--port must be a port from 0 to 65535, not "80a"'],
    [['config'], 'config needs one of: schema, env'],
  ])('%j ends with 2 and says why', async (args, message) => {
    const { code, err, out } = await result(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(`nats-edge: ${message}`)
  })

  it('without a command shows the help and ends with 2', async () => {
    const { code, err } = await result([])
    expect(code).toBe(2)
    expect(err).toContain('Usage: nats-edge COMMAND')
  })

  it.each([['--help'], ['dev', '--help'], ['serve', '-h'], ['help', 'config'], ['version', '--help']])(
    '%s %s shows help with examples',
    async (...args) => {
      const { code, out } = await result(args)
      expect(code).toBe(0)
      expect(out).toMatch(/Usage: nats-edge[\s\S]*Examples?:\n {2}nats-edge /)
    },
  )

  it('reports all configuration errors, as text on standard error or as JSON on standard output, with 2', async () => {
    const args = ['serve', '--set', 'indx=1', '--set', 'nats.ping.maxOut=x', '--set', 'listen.public.address=0.0.0.0:0']
    const text = await result(args)
    expect(text.code).toBe(2)
    expect(text.err).toMatch(
      /--set:1:1: error config\/unknown-key[\s\S]*--set:1:18: error config\/wrong-type[\s\S]*--set:1:23: error config\/public-without-auth/,
    )
    const json = await result([...args, '--json'])
    expect(json.code).toBe(2)
    expect(JSON.parse(json.out)).toMatchObject([
      { code: 'config/unknown-key', path: 'indx' },
      { code: 'config/wrong-type', path: 'nats.ping.maxOut' },
      { code: 'config/public-without-auth', path: 'listen.public.address' },
    ])
  })

  it('refuses to listen beyond loopback while nobody has to log in (reliability T29)', async () => {
    const { code, err } = await result(['serve', '--set', 'listen.public.address=0.0.0.0:0'])
    expect(code).toBe(2)
    expect(err).toContain('--set:1:23: error config/public-without-auth')
  })

  it('points at the option that a surface refuses', async () => {
    const { code, err } = await result(['serve', '--set', 'rest.routes=[{"path":"/a","timeout":"0s"}]'])
    expect(code).toBe(2)
    expect(err).toMatch(/--set:1:13: error config\/invalid-value: "rest\.routes\[0\]\.timeout" /)
  })

  it('prints versions', async () => {
    const { code, out } = await result(['version', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      'nats-edge': expect.stringMatching(/^\d/),
      node: process.versions.node,
      'nats-server': expect.any(String),
    })
    expect((await result(['--version'])).out).toMatch(/^nats-edge \S+\nNode \S+\nnats-server \S+ \(/)
  })

  it('prints the schema and the environment of the configuration', async () => {
    const schema = JSON.parse((await result(['config', 'schema'])).out) as Record<string, unknown>
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      properties: { nats: { type: 'object' } },
    })
    expect((await result(['config', 'env'])).out).toContain('NATS_EDGE_NATS_PING_MAX_OUT nats.ping.maxOut\n')
  })
})
