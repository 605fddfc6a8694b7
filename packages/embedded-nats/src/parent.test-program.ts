// SPDX-License-Identifier: Apache-2.0
// A program that starts brokers as its arguments say, tells their ids and ports in one line of JSON, and then waits to be killed.
import { startNatsServer } from './nats-server.ts'
import type { StartOptions } from './nats-server.ts'

const options: StartOptions[] = JSON.parse(process.argv[2] ?? '[]')
const servers = await Promise.all(options.map((each) => startNatsServer(each)))
const started = servers.map(({ pid, port, dataDir }) => ({ pid, port, dataDir }))
process.stdout.write(`${JSON.stringify({ servers: started })}\n`)
process.stdin.on('data', (order) => {
  if (order.toString().trim() === 'exit') process.exit(0)
  void servers[0]?.stop().then(() => process.stdout.write('{"stopped":true}\n'))
})
