// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import type { ChannelOptions } from './channel-options.ts'
import { closeClass, closeCode } from './close-code.ts'
import { principalOf, startGateway, type Rig, type TestClient } from './gateway.test-support.ts'
import { jsonCodec, jsonRpc, WsError, type Codec, type GatewayOptions } from './index.ts'
import { wsErrorCodes, type WsErrorCode } from './ws-error.ts'

interface Words {
  readonly name: string
  readonly codec: Codec
  ask(id: number, key: string, data: unknown): object
  answered(id: number | undefined, key: string, error: WsError): object
}

const wordsOf: readonly Words[] = [
  {
    name: 'jsonCodec()',
    codec: jsonCodec(),
    ask: (id, type, data) => ({ type, id, data }),
    answered: (id, type, { code, message, retryAfterMs }) => ({
      ...(id !== undefined && { type, id }),
      error: { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    }),
  },
  {
    name: 'jsonRpc()',
    codec: jsonRpc(),
    ask: (id, method, data) => ({ jsonrpc: '2.0', id, method, params: [data] }),
    answered: (id, _method, { code, message, retryAfterMs, rpcCode }) => ({
      jsonrpc: '2.0',
      id: id ?? null,
      error: { code: rpcCode, message, data: { code, ...(retryAfterMs !== undefined && { retryAfterMs }) } },
    }),
  },
]

/** How a client comes to the end of its connection. */
interface Ending {
  readonly end: string
  readonly code: number
  readonly class: ReturnType<typeof closeClass>
  readonly channel?: Omit<ChannelOptions, 'codec'>
  readonly gateway?: GatewayOptions
  act?(rig: Rig, client: TestClient): unknown
}

/** Writes bytes below the protocol. */
function writeRaw(client: TestClient, hex: string): void {
  const socket = Reflect.get(client.ws, '_socket') as { write(bytes: Uint8Array): void }
  socket.write(Buffer.from(hex, 'hex'))
}

function closeFirst({ gateway }: Rig, code?: number): void {
  for (const connection of gateway.registry) void connection.close(code)
}

async function overwhelm(rig: Rig, client: TestClient): Promise<void> {
  client.ws.pause()
  const [connection] = rig.gateway.registry
  while (connection?.send('x'.repeat(50_000)) === true) await new Promise(setImmediate)
  client.ws.resume()
}

const endings: readonly Ending[] = [
  { end: 'the application says goodbye', code: 1000, class: 'stop', act: (rig) => closeFirst(rig) },
  { end: 'nothing is said for idleMs', code: 1001, class: 'back-off', channel: { idleMs: 60 } },
  {
    end: 'the server goes for good',
    code: 1001,
    class: 'back-off',
    act: ({ gateway }) => gateway.close({ drainMs: 200, spreadMs: 0, final: true }),
  },
  {
    end: 'a frame has an opcode that is none',
    code: 1002,
    class: 'stop',
    act: (_, client) => writeRaw(client, '838000000000'),
  },
  {
    end: 'a text is not UTF-8 (D10)',
    code: 1007,
    class: 'stop',
    act: (_, client) => writeRaw(client, '818100000000ff'),
  },
  {
    end: 'a text in fragments is not UTF-8 (D10)',
    code: 1007,
    class: 'stop',
    // The last byte of the first is the first of two, and the second has no more of it.
    act: (_, client) => writeRaw(client, '018100000000c3808100000000ff'),
  },
  {
    end: 'the reason of its close frame is not UTF-8 (D10)',
    code: 1007,
    class: 'stop',
    act: (_, client) => writeRaw(client, '88830000000003e8ff'),
  },
  {
    end: 'a rate is exceeded that closes',
    code: 1008,
    class: 'back-off',
    channel: { messagesPerSecond: 1, onExceeded: 'close' },
    act: (_, client) => [client.send('{}'), client.send('{}')],
  },
  {
    end: 'a message has too many fragments',
    code: 1008,
    class: 'back-off',
    channel: { maxFragments: 2 },
    act: (_, client) => [0, 1, 2].map((part) => client.ws.send('x', { fin: part === 2 })),
  },
  {
    end: 'a message is too big',
    code: 1009,
    class: 'stop',
    channel: { maxMessageBytes: 10 },
    act: (_, client) => client.send('x'.repeat(11)),
  },
  {
    end: 'onOpen throws',
    code: 1011,
    class: 'back-off',
    channel: {
      onOpen: () => {
        throw new Error('no')
      },
    },
  },
  {
    end: 'the server restarts',
    code: 1012,
    class: 'reconnect',
    act: ({ gateway }) => gateway.close({ drainMs: 200, spreadMs: 0 }),
  },
  { end: 'it is kicked', code: 4000, class: 'stop', act: ({ gateway }) => gateway.kick(() => true, 'spam') },
  {
    end: 'its principal is taken away',
    code: 4002,
    class: 'stop',
    gateway: { principal: () => principalOf('ann') },
    act: ({ gateway }) => gateway.updatePrincipals(() => undefined),
  },
  ...[closeCode.replaced, closeCode.badVersion].map((code): Ending => {
    return { end: 'the application refuses it', code, class: 'stop', act: (rig) => closeFirst(rig, code) }
  }),
  ...[closeCode.tryAgainLater, closeCode.overQuota, 4300, 4999].map((code): Ending => {
    return { end: 'the application sends it away', code, class: 'back-off', act: (rig) => closeFirst(rig, code) }
  }),
  {
    end: 'it reads too slowly',
    code: 4108,
    class: 'back-off',
    channel: { sendBufferBytes: 100_000 },
    act: overwhelm,
  },
  { end: 'its lifetime is over', code: 4200, class: 'reconnect', channel: { maxLifetimeMs: 80 } },
  {
    end: 'its credential expires',
    code: 4201,
    class: 'reconnect',
    channel: { heartbeatMs: 100 },
    gateway: { principal: () => principalOf('ann', Date.now() + 50) },
  },
  {
    end: 'it gives no sign of life',
    code: 1006,
    class: 'back-off',
    channel: { heartbeatMs: 50, heartbeatTimeoutMs: 50 },
  },
]

describe.each(wordsOf)('over $name a client', ({ codec, ask, answered }) => {
  it('reads every code in its words, with when to come back, and stays connected', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/', { codec, messagesPerSecond: Infinity }).route('fail', ({ data }) => {
        const code = (Array.isArray(data) ? data[0] : data) as WsErrorCode
        throw new WsError(code, { retryAfterMs: 1234, cause: new Error('secret') })
      })
    })
    const client = await connect()
    for (const [id, code] of wsErrorCodes.entries()) {
      client.send(ask(id, 'fail', code))
      expect(await client.nextJson()).toStrictEqual(answered(id, 'fail', new WsError(code, { retryAfterMs: 1234 })))
    }
    expect(client.ws.readyState).toBe(client.ws.OPEN)
  })

  it('is answered where nothing was understood (D28)', async () => {
    const { connect } = await startGateway((gateway) => gateway.channel('/', { codec }))
    const client = await connect()
    for (const [message, code, words] of [
      ['{', 'parse_error', 'the message is not JSON'],
      [Buffer.from('{}'), 'unsupported_data', 'send text messages'],
    ] as const) {
      client.send(message)
      expect(await client.nextJson()).toStrictEqual(answered(undefined, '', new WsError(code, { message: words })))
    }
    client.send(ask(1, 'nowhere', null))
    expect(await client.nextJson()).toStrictEqual(answered(1, 'nowhere', new WsError('not_found')))
  })

  it.each(endings)('ends with $code when $end (F13)', async ({ code, class: expected, channel, gateway = {}, act }) => {
    const rig = await startGateway((made) => made.channel('/', { ...channel, codec }), gateway)
    const client = await rig.connect('/', { autoPong: code !== 1006 })
    if (act !== undefined) await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(1))
    void act?.(rig, client)
    expect((await client.closed).code).toBe(code)
    expect(closeClass(code)).toBe(expected)
  })
})
