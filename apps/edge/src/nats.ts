// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { credsAuthenticator, nkeyAuthenticator } from '@nats-io/nats-core'
import type { NatsConnection } from '@nats-io/nats-core'
import { connect } from '@nats-io/transport-node'
import type { NodeConnectionOptions } from '@nats-io/transport-node'
import type { NatsConfig, NatsLogin, NatsTls } from './config.ts'
import type { Logger } from './log.ts'
import { growingPauses, reconnectDelay } from './nats/reconnect-delay.ts'

/** Where the edge connects to and how it behaves towards the broker. */
export interface NatsTarget {
  readonly servers: readonly string[]
  readonly config: NatsConfig
  readonly log: Logger
  readonly signal: AbortSignal
}

/** The first connection failed and was not to be waited for. */
export class NatsUnreachable extends Error {
  override readonly name = 'NatsUnreachable'
  readonly code = 'nats_unreachable'
}

// A server that accepts and stays silent must not hold up the next attempt.
const connectTimeoutMs = 5000

/** Connects, trying until it works unless `waitOnStart` is false; afterwards the connection comes back for ever. */
export async function connectNats(target: NatsTarget): Promise<NatsConnection> {
  const options = connectionOptions(target.servers, target.config)
  const nextPause = growingPauses()
  let reported = ''
  for (;;) {
    target.signal.throwIfAborted()
    try {
      return await connect(options)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const servers = target.servers.map(withoutPassword)
      if (!target.config.waitOnStart) {
        throw new NatsUnreachable(`cannot connect to NATS at ${servers.join(', ')}: ${reason}`, { cause })
      }
      // Said once per reason: an absent broker must not fill the log.
      if (reason !== reported) target.log.warn({ servers, reason }, 'cannot connect to NATS yet; trying on')
      reported = reason
    }
    await delay(nextPause(), undefined, { signal: target.signal })
  }
}

function connectionOptions(servers: readonly string[], config: NatsConfig): NodeConnectionOptions {
  return {
    name: 'nats-edge',
    servers: [...servers],
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    // A broker that refuses the login today may be given the user tomorrow.
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: reconnectDelay(),
    pingInterval: config.ping.interval,
    maxPingOut: config.ping.maxOut,
    ...loginOptions(config.credentials),
    ...(config.tls === undefined ? {} : { tls: tlsOptions(config.tls) }),
  }
}

function loginOptions(login: NatsLogin | undefined): Partial<NodeConnectionOptions> {
  if (login === undefined) return {}
  const { file, user, password, token, nkeySeed } = login
  if (file !== undefined) return { authenticator: credsAuthenticator(() => readFileSync(file)) }
  if (nkeySeed !== undefined) return { authenticator: nkeyAuthenticator(new TextEncoder().encode(nkeySeed)) }
  if (token !== undefined) return { token }
  return user === undefined || password === undefined ? {} : { user, pass: password }
}

function tlsOptions(tls: NatsTls): NonNullable<NodeConnectionOptions['tls']> {
  return {
    handshakeFirst: tls.handshakeFirst,
    ...(tls.ca === undefined ? {} : { caFile: tls.ca }),
    ...(tls.cert === undefined ? {} : { certFile: tls.cert }),
    ...(tls.key === undefined ? {} : { keyFile: tls.key }),
  }
}

/** A server's address as it may be logged. */
export function withoutPassword(server: string): string {
  return server.replace(/\/\/[^@/]*@/, '//')
}
