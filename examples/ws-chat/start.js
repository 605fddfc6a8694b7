// Two edges over one broker, and a page that talks to either.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const manifest = createRequire(import.meta.url).resolve('nats-edge/package.json')
const program = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin['nats-edge'])
const files = {
  '/': { name: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { name: 'page.js', type: 'text/javascript; charset=utf-8' },
}

/** Starts both edges and the page; port 0 is any free one. */
export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 3000, edgePorts = [8081, 8082] } = {}) {
  const edges = []
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://page')
    const file = files[pathname]
    if (file === undefined) {
      const isList = pathname === '/edges.json'
      response.writeHead(isList ? 200 : 404).end(isList ? JSON.stringify(edges.map(({ host }) => host)) : '')
      return
    }
    response.setHeader('Content-Type', file.type)
    response.setHeader(
      'Content-Security-Policy',
      "default-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src 'self' ws:",
    )
    response.end(readFileSync(join(import.meta.dirname, file.name)))
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  const started = edgePorts.map((edgePort) =>
    startEdge({ NATS_URL: natsUrl, PAGE_ORIGIN: url, EDGE_PORT: String(edgePort) }),
  )
  const stop = async () => {
    server.close()
    server.closeAllConnections()
    await Promise.all((await Promise.allSettled(started)).map(({ value }) => value?.stop()))
  }
  try {
    edges.push(...(await Promise.all(started)))
  } catch (error) {
    await stop()
    throw error
  }
  return { url, edges, stop }
}

/** One edge as a process of its own: it can be killed without the other. */
async function startEdge(env) {
  const child = spawn(process.execPath, [program, 'serve', '-c', join(import.meta.dirname, 'edge.yaml')], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  let output = ''
  const listening = new Promise((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-10_000)
      const [, host] = /"public":"http:\/\/([^"]+)"[^]*"msg":"ready"/.exec(output) ?? []
      if (host !== undefined) resolve(host)
    })
  })
  const host = await Promise.race([listening, exited.then(() => undefined)])
  if (host === undefined) throw new Error(`the edge has ended:\n${output}`)
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  return { host, pid: child.pid, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { url, edges, stop } = await start({ natsUrl: process.env.NATS_URL })
  for (const [index, { host, pid }] of edges.entries())
    console.log(`${url}/?edge=${index}   talks to ${host}, kill -9 ${pid}`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
