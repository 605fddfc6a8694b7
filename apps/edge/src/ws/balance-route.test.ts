// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerOptions } from 'node:https'
import { join } from 'node:path'
import { jsonCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { testGateway, type TestGateway } from '@nats-edge/ws-toolkit/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TlsFiles } from '../config/ws-backend-schema.ts'
import { scratchFolder, until } from '../edge.test-support.ts'
import * as pem from '../nats/certificate.test-data.ts'
import { balanceHandler } from './balance-route.ts'
import type { ClientData } from './client-data.ts'
import { httpHandler } from './http-route.ts'

const folder = scratchFolder()
const servers: Server[] = []
let gateways: TestGateway[] = []
let asked: string[] = []
let urls: Readonly<Record<'safe' | 'stranger', string>>

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const ca = file('ca.pem', pem.authority)
const tls: TlsFiles = { ca, cert: file('cert.pem', pem.clientCertificate), key: file('key.pem', pem.clientKey) }

/** A service that wants to see a certificate of its clients, and says what it was asked for. */
async function service(name: string, own: ServerOptions): Promise<string> {
  const options = { ...own, ca: pem.authority, requestCert: true, rejectUnauthorized: true }
  const server = createServer(options, (request, response) => {
    asked.push(`${name} ${request.method} ${request.url}`)
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(name))
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

beforeAll(async () => {
  urls = {
    safe: await service('safe', { cert: pem.serverCertificate, key: pem.serverKey }),
    stranger: await service('stranger', { cert: pem.strangerCertificate, key: pem.strangerKey }),
  }
})

beforeEach(() => {
  asked = []
})

afterEach(async () => {
  for (const gateway of gateways) await gateway.close()
  gateways = []
})

afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  rmSync(folder, { recursive: true })
})

interface Spread {
  health(): readonly string[]
  answer(): Promise<unknown>
}

/** A channel over these targets, each asked for /health every 20 ms. */
async function spread(...targets: readonly (readonly [url: string, tls: TlsFiles | undefined])[]): Promise<Spread> {
  const gateway = wsGateway()
  const balancer = balanceHandler(
    {
      balance: targets.map(([http, own]) => Object.assign({ http: `${http}/work` }, own && { tls: own })),
      probe: { path: '/health', intervalMs: 20 },
    },
    (target) => {
      if ('http' in target) return httpHandler(target)
      throw new TypeError('an http target is wanted')
    },
  )
  const data: ClientData = { headers: {}, rooms: new Set(), room: undefined }
  gateway.channel<ClientData>('/a', { codec: jsonCodec(), onConnect: () => data }).default(balancer)
  const test = testGateway(gateway)
  gateways.push(test)
  // A channel begins with its first client.
  const client = await test.connect('/a')
  return {
    health: () => balancer.stats().map(({ health }) => health),
    answer: async () => {
      client.send('{"type":"x","id":1}')
      return JSON.parse(String(await client.next()))
    },
  }
}

const probes = (name: string): number => asked.filter((each) => each === `${name} GET /health`).length

describe('the probe of an https target', () => {
  it('trusts the authority of that target, and shows the certificate its requests show', async () => {
    const { health, answer } = await spread([urls.safe, tls], [urls.stranger, tls])
    await until('the stranger is down', () => health()[1] === 'down')
    await until('the other has been asked several times', () => probes('safe') >= 3)
    expect(health()).toEqual(['healthy', 'down'])
    for (let count = 0; count < 4; count++) expect(await answer()).toMatchObject({ data: 'safe' })
    expect(asked.filter((each) => each.startsWith('stranger'))).toEqual([])
  })

  it.each<readonly [string, TlsFiles | undefined]>([
    ['knows no authority', undefined],
    ['shows no certificate', { ca }],
    ['wants another name', { ...tls, servername: 'other.example' }],
  ])('finds a target down whose tls %s', async (_what, own) => {
    const { health } = await spread([urls.safe, own], [urls.safe, { ...tls, servername: 'localhost' }])
    await until('it is down', () => health()[0] === 'down')
    const before = probes('safe')
    await until('the other has been asked several times', () => probes('safe') >= before + 3)
    expect(health()).toEqual(['down', 'healthy'])
  })

  it('asks whoever answers where the target says so', async () => {
    const { health } = await spread([urls.stranger, { ...tls, rejectUnauthorized: false }], [urls.stranger, tls])
    await until('the one that checks is down', () => health()[1] === 'down')
    await until('the other has been asked several times', () => probes('stranger') >= 3)
    expect(health()).toEqual(['healthy', 'down'])
  })
})
