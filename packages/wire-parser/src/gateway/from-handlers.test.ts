// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { WireError } from '../wire-error.ts'
import { fromHandlers, type FromHandlersOptions, type Handlers } from '../gateway.ts'
import { anyServer, plainConnect, RawClient, startBroker, startGateway, text } from './rig.test-support.ts'

const binary = anyServer(inject('natsServers'))
const unauthorized = (): never => {
  throw new WireError('authorization', 'no')
}
const wrong = (): never => {
  throw new Error('something\r\nis wrong')
}

/** What a client hears for its commands, and whether it stays. */
async function hears(
  handlers: Handlers,
  commands: string,
  options?: FromHandlersOptions,
  closes = false,
): Promise<string> {
  const { url } = await startGateway(await startBroker(binary), { hooks: fromHandlers(handlers, options) })
  const client = await RawClient.to(url)
  client.send(commands)
  await client.settled()
  if (closes) await client.closed()
  const said = client.received.replaceAll(/INFO [^\r]*\r\n|PONG\r\n/g, '')
  return client.isClosed ? `${said}(closed)` : said
}

const violation = `-ERR 'Authorization Violation'\r\n(closed)`
const wrongText = `-ERR 'something is wrong'\r\n`
const publish = 'PUB a 1\r\nx\r\n'

describe('handlers in the manner of gnatsd-gw', () => {
  it('change what they return something for, and leave the rest', async () => {
    const handlers: Handlers = {
      onConnect: (connect) => ({ verb: 'CONNECT', json: Buffer.from(JSON.stringify({ ...connect, verbose: false })) }),
      onPublish: (operation) => (operation.subject === 'a' ? { ...operation, subject: 'b' } : undefined),
      onSubscribe: async (operation) => Promise.resolve({ ...operation, subject: operation.subject.replace('x', 'b') }),
      onUnsubscribe: () => undefined,
      onMsg: (operation) => ({ ...operation, payload: Buffer.from(`${text(operation.payload)}!`) }),
      onInfo: () => undefined,
    }
    expect(await hears(handlers, `${plainConnect}SUB x 1\r\n${publish}PUB b 1\r\ny\r\nUNSUB 2\r\n`)).toBe(
      'MSG b 1 2\r\nx!\r\nMSG b 1 2\r\ny!\r\n',
    )
  })

  it.each<readonly [string, Handlers, string, string]>([
    ['onConnect, authorization', { onConnect: unauthorized }, plainConnect, violation],
    ['onConnect, another error', { onConnect: wrong }, plainConnect, `${wrongText}(closed)`],
    ['onPublish, authorization', { onPublish: unauthorized }, plainConnect + publish, violation],
    ['onPublish, another error', { onPublish: wrong }, plainConnect + publish, wrongText],
    ['onSubscribe, authorization', { onSubscribe: unauthorized }, `${plainConnect}SUB a 1\r\n`, violation],
    ['onSubscribe, another error', { onSubscribe: wrong }, `${plainConnect}SUB a 1\r\n`, `${wrongText}(closed)`],
    ['onUnsubscribe, another error', { onUnsubscribe: wrong }, `${plainConnect}UNSUB 1\r\n`, `${wrongText}(closed)`],
    ['onMsg, authorization', { onMsg: unauthorized }, `${plainConnect}SUB a 1\r\n${publish}`, violation],
    ['onMsg, another error', { onMsg: wrong }, `${plainConnect}SUB a 1\r\n${publish}`, ''],
    ['onInfo, an error', { onInfo: wrong }, plainConnect, `${wrongText}(closed)`],
  ])('refuse: %s', async (_name, handlers, commands, said) => {
    expect(await hears(handlers, commands, {}, said.endsWith('(closed)'))).toBe(said)
  })

  it('close on an error of onPublish where they are asked to', async () => {
    expect(await hears({ onPublish: wrong }, plainConnect + publish, { closeOnError: true }, true)).toBe(
      `${wrongText}(closed)`,
    )
    const rejects = { onPublish: () => Promise.reject(new Error('later')) }
    expect(await hears(rejects, plainConnect + publish)).toBe(`-ERR 'later'\r\n`)
  })

  it('are checked', () => {
    expect(() => fromHandlers({ onPub: () => undefined } as never)).toThrow('"onPub"')
    expect(() => fromHandlers({ onPublish: 1 } as never)).toThrow('onPublish')
    expect(() => fromHandlers({}, { closeOnError: 'yes' } as never)).toThrow('closeOnError')
  })
})
