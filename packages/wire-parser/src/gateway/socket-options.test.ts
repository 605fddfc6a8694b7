// SPDX-License-Identifier: Apache-2.0
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync, readFileSync } from 'node:fs'
import { connect as dial, Socket } from 'node:net'
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { anyServer, eventually, RawClient, startBroker, startGateway } from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))
const tables = '/proc/net/tcp'

/** Every socket of this process from now on, as Node makes it. */
function watchSockets(): Socket[] {
  const sockets: Socket[] = []
  const take = (message: unknown): void => {
    const socket: unknown = Reflect.get(Object(message) as object, 'socket')
    if (socket instanceof Socket) sockets.push(socket)
  }
  for (const name of ['net.server.socket', 'net.client.socket']) {
    subscribe(name, take)
    onTestFinished(() => void unsubscribe(name, take))
  }
  return sockets
}

/** What Node has asked the system for, by the names of its own fields. */
function askedFor(socket: Socket | undefined): object {
  const fields = Object.getOwnPropertySymbols(socket ?? {})
  const valueOf = (name: string): unknown => {
    const field = fields.find(({ description }) => description === name)
    return field === undefined ? 'unknown' : Reflect.get(socket ?? {}, field)
  }
  return { noDelay: valueOf('kSetNoDelay'), keepAlive: valueOf('kSetKeepAlive') }
}

/** Whether the system looks after every established connection of that port, by its own table (proc(5), timer 2). */
function keptAlive(side: 'local' | 'remote', port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = readFileSync(tables, 'utf8').trim().split('\n').slice(1)
  const ours = rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local, remote, state]) => state === '01' && (side === 'local' ? local : remote)?.endsWith(`:${hex}`))
  return ours.length > 0 && ours.every((columns) => columns[5]?.startsWith('02:'))
}

describe('a connection through the gateway', () => {
  let names: object

  beforeAll(() => {
    const socket = new Socket()
    names = askedFor(socket)
    socket.destroy()
  })

  it('is asked to send at once and to be kept alive, on both sides', async () => {
    expect(names).toEqual({ noDelay: false, keepAlive: false })
    const sockets = watchSockets()
    const broker = await startBroker(binary)
    const rig = await startGateway(broker)
    await RawClient.connected(rig.url)
    const accepted = sockets.find(({ localPort }) => localPort === rig.listener.port)
    const dialled = sockets.find(({ remotePort }) => remotePort === broker.port)
    const both = { noDelay: true, keepAlive: true }
    expect([askedFor(accepted), askedFor(dialled)]).toEqual([both, both])
  })

  it.skipIf(!existsSync(tables))(
    'is kept alive by the system, at the side of the client (needs /proc/net/tcp)',
    async () => {
      const rig = await startGateway(await startBroker(binary))
      await RawClient.connected(rig.url)
      await eventually(() => keptAlive('local', rig.listener.port))
      // The client itself did not ask for it: the table tells one from the other.
      expect(keptAlive('remote', rig.listener.port)).toBe(false)
    },
  )

  it('keeps what a function of the operator’s has set on the socket it dials', async () => {
    const broker = await startBroker(binary)
    const own = dial({ port: broker.port, host: '127.0.0.1', noDelay: true, keepAlive: true })
    const rig = await startGateway(undefined, { backends: [{ id: 'own', dial: () => own }] })
    await RawClient.connected(rig.url)
    expect(askedFor(own)).toEqual({ noDelay: true, keepAlive: true })
  })
})
