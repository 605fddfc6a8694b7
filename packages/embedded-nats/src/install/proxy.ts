// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Environment } from '../machine.ts'

/** The proxy the environment names for this address (`HTTPS_PROXY`, unless `NO_PROXY` lists the host); throws when it is none we can use. */
export function proxyFor(target: URL, env: Environment): URL | undefined {
  const text = env['HTTPS_PROXY'] || env['https_proxy']
  if (!text || isExempt(target, env['NO_PROXY'] ?? env['no_proxy'] ?? '')) return undefined
  const address = text.includes('://') ? text : `http://${text}`
  const proxy = URL.canParse(address) ? new URL(address) : undefined
  if (proxy && (proxy.protocol === 'http:' || proxy.protocol === 'https:')) return proxy
  // Not printed whole: it may hold a password.
  throw new Error('HTTPS_PROXY cannot be used: it must be an http:// or https:// address')
}

function isExempt(target: URL, list: string): boolean {
  return list.split(',').some((entry) => {
    const [host = '', port] = entry.trim().toLowerCase().split(':')
    if (host === '*') return true
    if (host === '' || (port !== undefined && port !== portOf(target))) return false
    const suffix = host.replace(/^\*?\./, '')
    return target.hostname === suffix || target.hostname.endsWith(`.${suffix}`)
  })
}

/** Opens a tunnel to an address through a proxy. */
export function openTunnel(proxy: URL, target: URL, options: { signal: AbortSignal; ca?: string }): Promise<Socket> {
  const request = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const authority = `${target.hostname}:${portOf(target)}`
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  const credentials =
    proxy.username === '' ? {} : { 'Proxy-Authorization': `Basic ${Buffer.from(user).toString('base64')}` }
  return new Promise((resolve, reject) => {
    const connecting = request({
      method: 'CONNECT',
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: portOf(proxy),
      path: authority,
      headers: { Host: authority, ...credentials },
      agent: false,
      ...options,
    })
    connecting.once('connect', (response, socket) => {
      if (response.statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new Error(`the proxy ${proxy.host} answered ${response.statusCode}`))
    })
    connecting.once('response', (response) => {
      response.destroy()
      reject(new Error(`the proxy ${proxy.host} answered ${response.statusCode}`))
    })
    connecting.once('error', (error) => reject(new Error(`the proxy ${proxy.host}: ${error.message}`)))
    connecting.end()
  })
}

function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80')
}
