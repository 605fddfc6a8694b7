// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net'

/** What this package reads from the INFO line a broker greets with. */
export interface ServerInfo {
  readonly version: string
}

const maxInfoBytes = 65_536

/** Reads the INFO line a broker sends to every new connection; rejects when something else answers or nothing does. */
export function readServerInfo(host: string, port: number, signal: AbortSignal): Promise<ServerInfo> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      const end = text.indexOf('\r\n')
      if (end < 0 && text.length <= maxInfoBytes) return
      const info = parseServerInfo(text.slice(0, end))
      if (info) resolve(info)
      else reject(new Error(`port ${port} is not answered by a nats-server`))
      socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`port ${port} was closed before INFO came`)))
  })
}

/** The INFO line as values; undefined when it is not one. */
export function parseServerInfo(line: string): ServerInfo | undefined {
  if (!line.startsWith('INFO ')) return undefined
  try {
    const info: unknown = JSON.parse(line.slice(5))
    if (typeof info !== 'object' || info === null || !('version' in info)) return undefined
    return typeof info.version === 'string' ? { version: info.version } : undefined
  } catch {
    return undefined
  }
}
