// SPDX-License-Identifier: Apache-2.0
// Sends requests over one connection, by our Bus or by the official client, and is itself what is measured.
import { parseSubject } from '@nats-edge/wire-parser'
import { busFromConnection } from '@nats-edge/wire-parser/bus'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { answerCommands, announceReady } from '../command-channel.ts'
import { runRequestLoad, type SendRequest } from '../request-load.ts'

const [how, servers = 'nats://127.0.0.1:4222', subjectText = 'bench.echo'] = process.argv.slice(2)
const payload = new Uint8Array(128).fill(120)
const timeoutMs = 5000

const nats = await connect({ servers, name: `bench requester ${how}` })
const send = how === 'bus' ? sendOverBus(nats, subjectText) : sendOverClient(nats, subjectText)
answerCommands({
  run: (params) => {
    const { outstanding, durationMs } = params as { readonly outstanding?: unknown; readonly durationMs?: unknown }
    if (typeof outstanding !== 'number' || typeof durationMs !== 'number') throw new TypeError('run needs numbers')
    return runRequestLoad(send, outstanding, durationMs)
  },
})
announceReady()

function sendOverBus(connection: NatsConnection, text: string): SendRequest {
  const bus = busFromConnection(connection)
  const subject = parseSubject(text)
  if (subject === undefined) throw new TypeError(`"${text}" is no subject`)
  const options = { timeoutMs }
  return (onDone) => {
    bus.request(subject, payload, (reply) => onDone(reply.kind === 'error' ? reply.code : undefined), options)
  }
}

function sendOverClient(connection: NatsConnection, subject: string): SendRequest {
  const options = { timeout: timeoutMs }
  return (onDone) => {
    connection.request(subject, payload, options).then(
      () => onDone(),
      (error: unknown) => onDone(error instanceof Error ? error.name : 'error'),
    )
  }
}
