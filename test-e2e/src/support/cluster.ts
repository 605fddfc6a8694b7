// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer, type StartOptions } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import { onTestFinished, vi } from 'vitest'
import { patience } from './program.ts'

const lameDuck = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "3s"'

/** Three brokers of one cluster on loopback, each of which knows the others; they end with the test. */
export class Cluster {
  readonly servers: readonly NatsServer[]

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers
  }

  static async start(binary: NonNullable<StartOptions['binary']>, options: StartOptions = {}): Promise<Cluster> {
    let log = ''
    const first = await startMember(binary, { ...options, onLog: (line) => (log += `${line}\n`) }, '')
    const routes = await vi.waitUntil(() => /route connections on (127\.0\.0\.1:\d+)/.exec(log)?.[1], patience)
    const others = [1, 2].map(() => startMember(binary, options, `nats://${routes}`))
    const servers = [first, ...(await Promise.all(others))]
    await Promise.all(servers.map(untilItKnowsAll))
    return new Cluster(servers)
  }

  get urls(): readonly string[] {
    return this.servers.map(({ url }) => url)
  }

  /** The member that listens there. */
  at(hostAndPort: string): NatsServer {
    const found = this.servers.find(({ url }) => url === `nats://${hostAndPort}`)
    if (found === undefined) throw new Error(`no member listens on ${hostAndPort}`)
    return found
  }

  /** The members but for `one`. */
  without(one: NatsServer): readonly NatsServer[] {
    return this.servers.filter((server) => server !== one)
  }
}

async function startMember(
  binary: NonNullable<StartOptions['binary']>,
  options: StartOptions,
  route: string,
): Promise<NatsServer> {
  const config = `${lameDuck}\ncluster { name: tests, listen: "127.0.0.1:-1", routes: [${route && `"${route}"`}] }`
  const server = await startNatsServer({ jetstream: false, ...options, binary, config })
  onTestFinished(async () => {
    // A lame duck takes its time.
    server.kill('SIGKILL')
    await server.stop()
  })
  return server
}

async function untilItKnowsAll({ url }: NatsServer): Promise<void> {
  await vi.waitUntil(async () => {
    const nats = await connect({ servers: url })
    const known = nats.info?.connect_urls?.length
    await nats.close()
    return known === 3
  }, patience)
}
