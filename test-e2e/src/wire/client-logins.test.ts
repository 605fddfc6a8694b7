// SPDX-License-Identifier: Apache-2.0
import { type Authenticator, type ConnectionOptions, jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import {
  type Addresses,
  connectBy,
  directly,
  Front,
  nothingHeld,
  startFullBroker,
  type TransportName,
} from './client-rig.ts'
import { Operator } from './clients/credentials.ts'
import { failureOf } from './clients/flow.ts'
import { logins } from './clients/logins.ts'
import { eventually } from './web-socket-rig.ts'

type Reach = readonly [transport: TransportName, addresses: Addresses]

/** What becomes of a client that logs in like this. */
async function story([transport, addresses]: Reach, authenticator: Authenticator | undefined): Promise<object> {
  const options: ConnectionOptions = authenticator === undefined ? {} : { authenticator }
  let nats: NatsConnection
  try {
    nats = await connectBy(transport, addresses, options)
  } catch (error) {
    return { failure: await failureOf(Promise.reject(error as Error)) }
  }
  try {
    const told: string[] = []
    void (async () => {
      for await (const status of nats.status()) if (status.type === 'error') told.push(String(status.error))
    })()
    const { user, ...who } = await whoami(nats)
    const refused = await refusedSubscription(nats)
    nats.publish('denied.subject', 'x')
    nats.publish('allowed.subject', 'x')
    await nats.flush()
    return { user: user !== undefined, who, refused, told }
  } finally {
    await nats.close()
  }
}

/** What the server itself says about the user; older ones do not say anything. */
async function whoami(nats: NatsConnection): Promise<Record<string, unknown>> {
  try {
    const { data = {} } = (await nats.request('$SYS.REQ.USER.INFO', '', { timeout: 10_000 })).json<{
      readonly data?: Record<string, unknown>
    }>()
    return data
  } catch (error) {
    return { unknown: String(error) }
  }
}

async function refusedSubscription(nats: NatsConnection): Promise<string | undefined> {
  let error: string | undefined
  nats.subscribe('denied.>', { callback: (failure) => void (error ??= failure?.message) })
  await nats.flush()
  return error
}

describe.each(inject('natsServers'))('a client of nats.js at nats-server $version', (binary) => {
  it.each(logins())('logs in $name as it does directly', async ({ config, clients, letIn }) => {
    const broker = await startFullBroker(binary, config)
    onTestFinished(() => broker.stop())
    const front = await Front.before(broker)
    onTestFinished(() => front.close())
    for (const [name, authenticator] of Object.entries(clients)) {
      for (const transport of ['tcp', 'ws'] as const) {
        const expected = await story([transport, directly(broker)], authenticator)
        const seen = await story([transport, front.addresses], authenticator)
        expect({ [name]: seen }).toEqual({ [name]: expected })
        expect({ [name]: Object.hasOwn(seen, 'who') }).toEqual({ [name]: letIn.includes(name) })
      }
    }
    await eventually(() => JSON.stringify(front.held) === JSON.stringify(nothingHeld))
  })

  it('is told when its JWT expires, and closed by the server', async () => {
    const operator = new Operator()
    const broker = await startFullBroker(binary, operator.config)
    onTestFinished(() => broker.stop())
    const front = await Front.before(broker)
    onTestFinished(() => front.close())
    const { jwt, seed } = operator.user('short', { expiresAt: Math.floor(Date.now() / 1000) + 3 })
    const nats = await connectBy('tcp', front.addresses, { authenticator: jwtAuthenticator(jwt, seed) })
    await nats.flush()
    const end = await nats.closed()
    expect(String(end)).toMatch(/expired/i)
    await eventually(() => JSON.stringify(front.held) === JSON.stringify(nothingHeld))
  })
})
