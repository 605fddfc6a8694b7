// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** As much of a NATS client as these tests need: requests with text in and text out, one at a time or many. */
export class WireClient {
  readonly #socket: Socket
  readonly #waiting = new Map<string, (payload: string) => void>()
  #count = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    // A killed broker ends the connection with an error; open requests then stay open.
    this.#read().catch(() => {})
  }

  /** Connects and waits until the broker has answered a PING. */
  static async connect(port: number): Promise<WireClient> {
    const client = new WireClient(connect({ host: '127.0.0.1', port }))
    await new Promise<void>((resolve, reject) => {
      client.#waiting.set('PONG', () => resolve())
      client.#socket.once('error', reject)
      client.#socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nSUB inbox.> 1\r\nPING\r\n')
    })
    return client
  }

  request(subject: string, payload: string): Promise<string> {
    const reply = `inbox.${++this.#count}`
    return new Promise((resolve) => {
      this.#waiting.set(reply, resolve)
      this.#socket.write(`PUB ${subject} ${reply} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  // Every payload here is one line of JSON, so lines are all there is to parse.
  async #read(): Promise<void> {
    let inbox: string | undefined
    for await (const line of createInterface({ input: this.#socket, crlfDelay: Infinity })) {
      if (inbox !== undefined) {
        this.#answer(inbox, line)
        inbox = undefined
      } else if (line.startsWith('MSG ')) inbox = line.split(' ')[1]
      else if (line === 'PONG') this.#answer('PONG', '')
      else if (line === 'PING') this.#socket.write('PONG\r\n')
    }
  }

  #answer(key: string, payload: string): void {
    this.#waiting.get(key)?.(payload)
    this.#waiting.delete(key)
  }
}

/** Makes a stream `LEDGER` that keeps everything on `ledger` on disk. */
export async function makeLedger(client: WireClient): Promise<void> {
  const answer = await client.request(
    '$JS.API.STREAM.CREATE.LEDGER',
    JSON.stringify({ name: 'LEDGER', subjects: ['ledger'], storage: 'file', retention: 'limits', num_replicas: 1 }),
  )
  if (!answer.includes('"config"')) throw new Error(`the stream was not made: ${answer}`)
}

/** The number of messages in the stream and its last sequence. */
export async function readLedger(client: WireClient): Promise<{ messages: number; lastSequence: number }> {
  const info: unknown = JSON.parse(await client.request('$JS.API.STREAM.INFO.LEDGER', ''))
  const { state } = info as { state: { messages: number; last_seq: number } }
  return { messages: state.messages, lastSequence: state.last_seq }
}
