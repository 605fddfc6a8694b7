// SPDX-License-Identifier: Apache-2.0
// Answers every request on one subject with the payload it came with, as cheaply as the official client can.
import { connect } from '@nats-io/transport-node'
import { announceReady } from '../command-channel.ts'

const [servers = 'nats://127.0.0.1:4222', subject = 'bench.echo'] = process.argv.slice(2)
const nats = await connect({ servers, name: 'bench echo-responder' })
nats.subscribe(subject, { callback: (_error, message) => void message.respond(message.data) })
await nats.flush()
announceReady()
