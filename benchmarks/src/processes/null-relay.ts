// SPDX-License-Identifier: Apache-2.0
// Copies bytes between clients and the server, reads nothing of them: what one more hop through Node costs at least.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { announceReady } from '../command-channel.ts'

const { hostname: host, port } = new URL(process.argv[2] ?? 'nats://127.0.0.1:4222')
const server = createServer({ noDelay: true }, (client) => {
  const backend = connect({ host, port: Number(port), noDelay: true })
  join(client, backend)
  join(backend, client)
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  announceReady({ tcp: port, ws: port })
})

function join(from: Socket, to: Socket): void {
  from.on('error', () => to.destroy()).on('close', () => to.destroy())
  from.pipe(to)
}
