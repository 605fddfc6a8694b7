// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createUser } from '@nats-io/nkeys'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, type TestContext } from 'vitest'
import { type Binary, directly, Front, nothingHeld, startFullBroker } from './client-rig.ts'
import { credsFile, Operator } from './clients/credentials.ts'
import { type ForeignClient, goClient, type Program, pythonClient } from './clients/foreign-client.ts'
import { eventually } from './web-socket-rig.ts'

const setupMs = 300_000
const everything = 'core,request,jetstream,kv,objects,services,drain'

const languages: readonly { readonly language: string; readonly find: () => Promise<ForeignClient> }[] = [
  { language: 'nats-py', find: pythonClient },
  { language: 'nats.go', find: goClient },
]

describe.each(languages)('$language', ({ language, find }) => {
  let client: ForeignClient
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wire-clients-'))
    client = await find()
  }, setupMs)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  function program({ skip }: TestContext): Program {
    if (!('missing' in client)) return client
    process.stderr.write(`${language} is not tested: ${client.missing}\n`)
    return skip(client.missing)
  }

  async function front(
    binary: Binary,
    config?: string,
  ): Promise<{ direct: string; through: Front; websocket: string }> {
    // One broker for each way, so that both can be gone at once.
    const [broker, other] = await Promise.all([startFullBroker(binary, config), startFullBroker(binary, config)])
    onTestFinished(async () => void (await Promise.all([broker.stop(), other.stop()])))
    const through = await Front.before(broker)
    onTestFinished(() => through.close())
    return { direct: directly(other).tcp, through, websocket: directly(other).ws }
  }

  async function file(name: string, text: string | Uint8Array): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }

  describe.each(inject('natsServers'))('at nats-server $version', (binary) => {
    it('sees through the gateway what it sees directly', async (context) => {
      const { run } = program(context)
      const { direct, through } = await front(binary)
      const [expected, seen] = await Promise.all([run(direct, everything), run(through.addresses.tcp, everything)])
      expect(seen).toBe(expected)
      expect(expected).toContain('drained: [500')
      await eventually(() => JSON.stringify(through.held) === JSON.stringify(nothingHeld))
    }, 120_000)

    it.skipIf(language === 'nats-py')(
      'sees the same over WebSocket',
      async (context) => {
        const { run } = program(context)
        const { websocket, through } = await front(binary)
        const [expected, seen] = await Promise.all([run(websocket, everything), run(through.addresses.ws, everything)])
        expect(seen).toBe(expected)
      },
      120_000,
    )

    it('logs in with a JWT as it does directly, or is refused', async (context) => {
      const { run } = program(context)
      const operator = new Operator()
      const { direct, through } = await front(binary, operator.config)
      const right = operator.user('right', { deny: ['denied.>'] })
      const stranger = new Operator().user('stranger')
      const creds = {
        right: await file('right.creds', credsFile(right.jwt, right.seed)),
        wrong: await file('wrong.creds', credsFile(right.jwt, stranger.seed)),
      }
      for (const path of Object.values(creds)) {
        const seen = await run(through.addresses.tcp, 'login', `creds:${path}`)
        expect(seen).toBe(await run(direct, 'login', `creds:${path}`))
        expect(seen.toLowerCase()).toContain(path === creds.right ? 'permissions violation' : 'refused')
      }
    })

    it('logs in with an nkey or a password as it does directly, or is refused', async (context) => {
      const { run } = program(context)
      const user = createUser()
      const limits = 'permissions = { publish: { deny: ["denied.>"] } }'
      const users = `{ nkey: ${user.getPublicKey()}, ${limits} }, { user: ada, password: "s3cret", ${limits} }`
      const { direct, through } = await front(binary, `authorization { users = [ ${users} ] }`)
      const seed = await file('user.nk', user.getSeed())
      const other = await file('other.nk', createUser().getSeed())
      for (const [login, isIn] of [
        [`nkey:${seed}`, true],
        [`nkey:${other}`, false],
        ['user:ada:s3cret', true],
        ['user:ada:guess', false],
      ] as const) {
        const seen = await run(through.addresses.tcp, 'login', login)
        expect(seen).toBe(await run(direct, 'login', login))
        expect(seen.toLowerCase()).toContain(isIn ? 'permissions violation' : 'refused')
      }
    })
  })
})
