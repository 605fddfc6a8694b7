// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net'

/** One response as bytes on the wire say it; header values are latin1. */
export interface RawResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** All values of a header, its name without case. */
  all(name: string): string[]
  get(name: string): string | undefined
  json(): Record<string, unknown>
}

/** A keep-alive connection on which requests are written byte by byte as given, so that no client tidies them up. */
export class RawClient {
  readonly socket: Socket
  #buffer = Buffer.alloc(0)
  #closed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk])
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect(port, host)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.setNoDelay(true)
    return new RawClient(socket)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Writes a request of these lines and reads its response. */
  async send(request: string | Uint8Array, options: { readonly head?: boolean } = {}): Promise<RawResponse> {
    this.write(request)
    return await this.read(options)
  }

  /** Reads the next response; `head` says that it answers HEAD and so has no body. */
  async read(options: { readonly head?: boolean } = {}): Promise<RawResponse> {
    const end = await this.#until(() => {
      const at = this.#buffer.indexOf('\r\n\r\n')
      return at === -1 ? undefined : at
    })
    const [statusLine = '', ...lines] = this.#buffer.toString('latin1', 0, end).split('\r\n')
    this.#buffer = this.#buffer.subarray(end + 4)
    const status = Number(statusLine.split(' ')[1])
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
    const all = (name: string): string[] =>
      headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
    if (status === 100) return await this.read(options)
    const bodiless = options.head === true || status === 204 || status === 304
    const body = bodiless ? Buffer.alloc(0) : await this.#body(all('content-length')[0], all('transfer-encoding')[0])
    const get = (name: string): string | undefined => all(name)[0]
    const json = (): Record<string, unknown> => JSON.parse(body.toString('utf8')) as Record<string, unknown>
    return { status, headers, body, all, get, json }
  }

  close(): void {
    this.socket.destroy()
  }

  async #body(length: string | undefined, encoding: string | undefined): Promise<Buffer> {
    if (encoding === 'chunked') return await this.#chunks()
    if (length !== undefined) return await this.#take(Number(length))
    await this.#until(() => (this.#closed ? 0 : undefined))
    return this.#buffer
  }

  async #chunks(): Promise<Buffer> {
    const parts: Buffer[] = []
    for (;;) {
      const end = await this.#until(() => {
        const at = this.#buffer.indexOf('\r\n')
        return at === -1 ? undefined : at
      })
      const size = Number(`0x${this.#buffer.toString('latin1', 0, end)}`)
      this.#buffer = this.#buffer.subarray(end + 2)
      parts.push((await this.#take(size + 2)).subarray(0, size))
      if (size === 0) return Buffer.concat(parts)
    }
  }

  async #take(size: number): Promise<Buffer> {
    await this.#until(() => (this.#buffer.length >= size ? size : undefined))
    const taken = this.#buffer.subarray(0, size)
    this.#buffer = this.#buffer.subarray(size)
    return taken
  }

  async #until(check: () => number | undefined): Promise<number> {
    const deadline = setTimeout(() => this.socket.destroy(), 15_000)
    try {
      for (;;) {
        const found = check()
        if (found !== undefined) return found
        if (this.#closed)
          throw new Error(`the connection ended with ${JSON.stringify(this.#buffer.toString('latin1'))}`)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      clearTimeout(deadline)
    }
  }
}

/** The text of a request: a request line, header lines and a body with its length. */
export function rawRequestText(line: string, headers: readonly string[] = [], body?: string | Buffer): Buffer {
  const bytes = body === undefined ? undefined : Buffer.from(body)
  const lines = [`${line} HTTP/1.1`, 'Host: test', ...headers]
  if (bytes !== undefined) lines.push(`Content-Length: ${bytes.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes ?? Buffer.alloc(0)])
}
