// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { decodeResponse, encodeRequest, type RequestFields, type ResponseFields } from '../envelope/nats-proxy.ts'
import { natsService, type NatsService, type ServiceOptions } from '../service.ts'

export const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
export const problem = (response: ResponseFields): unknown => JSON.parse(text(response.body))

export async function until(what: string, holds: () => boolean, deadlineMs = 10_000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A promise that the test settles by hand. */
export class Gate {
  readonly opened: Promise<void>
  #open: (() => void) | undefined

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open?.()
  }
}

/** The bytes of a Request with the given fields. */
export function payload(fields: Partial<RequestFields>): Uint8Array {
  const empty = { url: '', method: '', remoteAddr: '', body: new Uint8Array(0), headers: [], webSocketId: '' }
  return encodeRequest({ ...empty, ...fields })
}

/** The values of one metric family, in the order of its samples. */
export function samplesOf(service: NatsService, name: string): unknown[] {
  const family = Array.from(service.stats()).find((each) => each.name === name)
  return Array.from(family?.samples ?? [], ({ value }) => value)
}

/** A broker for the file and connections for each test, all of them closed behind it. */
export interface Bench {
  /** The connection of the proxy's side; a plain client. */
  readonly proxy: NatsConnection
  dial(): Promise<NatsConnection>
  /** A service on a connection of its own, as in production. */
  serve(build: (service: NatsService) => unknown, options?: ServiceOptions): Promise<NatsService>
  /** Closes the service behind the test. */
  keep(service: NatsService): NatsService
  /** Publishes a Request on the subject, as the proxy would for its path, and decodes the answer. */
  ask(subject: string, fields?: Partial<RequestFields>): Promise<ResponseFields>
}

export function bench(binary: { readonly path: string; readonly version: string }): Bench {
  let server: NatsServer | undefined
  let proxy: NatsConnection | undefined
  const connections: NatsConnection[] = []
  const services: NatsService[] = []

  beforeAll(async () => {
    server = await startNatsServer({ binary, jetstream: false })
  })
  afterAll(async () => {
    await server?.stop()
  })
  beforeEach(async () => {
    proxy = await dial()
  })
  afterEach(async () => {
    for (const service of services.splice(0)) await service.close({ drainMs: 0 })
    for (const nats of connections.splice(0)) await nats.close()
  })

  async function dial(): Promise<NatsConnection> {
    const nats = await connect({ servers: running(server).url })
    connections.push(nats)
    return nats
  }

  function keep(service: NatsService): NatsService {
    services.push(service)
    return service
  }

  async function serve(build: (service: NatsService) => unknown, options?: ServiceOptions): Promise<NatsService> {
    const service = keep(natsService(await dial(), options))
    build(service)
    await service.ready()
    return service
  }

  async function ask(subject: string, fields: Partial<RequestFields> = {}): Promise<ResponseFields> {
    const [method = '', path = ''] = subject.split(':')
    const whole = payload({ method, url: path.replaceAll('.', '/'), ...fields })
    const reply = await running(proxy).request(subject, whole, { timeout: 50_000 })
    return decodeResponse(reply.data)
  }

  return {
    get proxy() {
      return running(proxy)
    },
    dial,
    serve,
    keep,
    ask,
  }
}

function running<Thing>(thing: Thing | undefined): Thing {
  if (thing === undefined) throw new Error('used outside a test')
  return thing
}
