// SPDX-License-Identifier: Apache-2.0
import type { Context } from 'hono'
import type { Mount } from './capability.ts'
import { exchangeOf } from './context.ts'
import { edgeVersion } from './version.ts'

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}code{font-size:.95em}'
const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  Vary: 'Accept',
}

/** Answers `GET /` with what is mounted: a small page, or JSON for whoever asks for it. */
export function indexPage(mounts: readonly Mount[]): (c: Context) => Response {
  return (c) => {
    const exchange = exchangeOf(c.env)
    if (exchange !== undefined) exchange.surface = 'edge'
    c.set('routeLabel', '/')
    const wantsHtml = (c.req.header('accept') ?? '').includes('text/html')
    const type = wantsHtml ? 'text/html; charset=utf-8' : 'application/json'
    const body = wantsHtml ? page(mountedOf(mounts)) : jsonOf(mountedOf(mounts))
    return new Response(body, { headers: { ...headers, 'Content-Type': type } })
  }
}

interface Mounted {
  readonly surface: string
  /** Null where nothing of it is on this listener. */
  readonly path: string | null
  readonly description: string
}

// Read at each request: where a surface listens shows only once it does.
function mountedOf(mounts: readonly Mount[]): readonly Mounted[] {
  const listed = mounts.map(({ surface, path = null, description = '' }) => ({ surface, path, description }))
  return listed.toSorted((a, b) => (b.path ?? '').length - (a.path ?? '').length)
}

function jsonOf(mounted: readonly Mounted[]): string {
  return `${JSON.stringify({ name: 'nats-edge', version: edgeVersion, mounted }, undefined, 2)}\n`
}

function page(mounted: readonly Mounted[]): string {
  const items = mounted.map(({ surface, path, description }) => {
    const link = path === null ? '' : `<a href="${escapeHtml(path)}"><code>${escapeHtml(path)}</code></a> `
    return `<li>${link}${escapeHtml(surface)}: ${escapeHtml(description)}</li>`
  })
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><title>nats-edge</title>',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<style>${style}</style></head><body>`,
    `<h1>nats-edge ${escapeHtml(edgeVersion)}</h1>`,
    '<p>What is mounted here:</p>',
    `<ul>${items.join('')}</ul>`,
    '<p><a href="https://github.com/nats-edge/nats-edge#readme">Documentation</a></p>',
    '</body></html>\n',
  ].join('\n')
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)
}
