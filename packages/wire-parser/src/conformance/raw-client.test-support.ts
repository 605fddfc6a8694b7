// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { decodeInfo, type ServerInfo } from '../connect-json.ts'
import { type OperationView, Verb } from '../operation.ts'
import { Parser } from '../parser.ts'
import { latin1, message } from './server-model.test-support.ts'

const deadlineMs = 5000

/** A connection that says exactly the bytes it is given, and lists what the server says back. */
export class RawClient {
  /** PONG, +OK, -ERR in lower case, MSG: what a ServerModel lists as well. INFO and PING are left out. */
  readonly output: string[] = []
  pongs = 0
  closed = false
  /** The latest. */
  info: ServerInfo | undefined
  readonly #socket: Socket
  readonly #parser: Parser
  #changed: () => void = () => {}

  private constructor(port: number) {
    this.#parser = new Parser(
      { side: 'server' },
      {
        operation: (view) => this.#read(view),
        error: (error) => this.output.push(`unreadable: ${error.message}`),
      },
    )
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => {
      this.#parser.push(chunk)
      this.#changed()
    })
    // A reset says no more than the close that follows it.
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.closed = true
      this.#changed()
    })
  }

  /** Resolves once the server has said INFO. */
  static async open(port: number): Promise<RawClient> {
    const client = new RawClient(port)
    await client.until(() => client.info !== undefined, 'INFO')
    return client
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Waits for so many PONGs altogether, or for the end of the connection. */
  async pongsOrEnd(count: number): Promise<void> {
    await this.until(() => this.closed || this.pongs >= count, `${count} PONGs`)
  }

  async end(): Promise<void> {
    await this.until(() => this.closed, 'the end')
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.#socket.destroy()
    if (!this.closed) await once(this.#socket, 'close')
  }

  async until(isSo: () => boolean, what: string): Promise<void> {
    if (isSo()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no ${what} within ${deadlineMs} ms; the server said ${this.output.slice(-20).join(', ')}`))
      }, deadlineMs)
      this.#changed = () => {
        if (!isSo()) return
        clearTimeout(timer)
        this.#changed = () => {}
        resolve()
      }
    })
  }

  #read(view: OperationView): void {
    if (view.verb === Verb.PONG) this.pongs++
    const { bytes } = view
    switch (view.verb) {
      case Verb.INFO:
        this.info = decodeInfo(view.json)
        break
      case Verb.PONG:
        this.output.push('PONG')
        break
      case Verb.OK:
        this.output.push('+OK')
        break
      case Verb.ERR:
        this.output.push(`-ERR ${view.text.toLowerCase()}`)
        break
      case Verb.MSG:
      case Verb.HMSG:
        this.output.push(
          message(latin1(bytes, view.sidStart, view.sidEnd), [
            latin1(bytes, view.subjectStart, view.subjectEnd),
            latin1(bytes, view.replyStart, view.replyEnd),
            latin1(bytes, view.headersStart, view.payloadStart),
            latin1(bytes, view.payloadStart, view.payloadEnd),
          ]),
        )
        break
      default:
    }
  }
}
