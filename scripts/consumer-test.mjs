// Packs every published package, installs the tarballs into an empty project, type-checks it and runs it: on the Node
// that runs this script and on each further major version named (`node scripts/consumer-test.mjs 20 24`).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const rootPackage = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const work = mkdtempSync(join(tmpdir(), 'nats-edge-consumer-'))
const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: work, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })

/** The folders of all published packages, in no particular order. */
function publishedFolders() {
  const folders = ['packages', 'apps'].flatMap((room) =>
    readdirSync(join(root, room)).map((name) => join(root, room, name)),
  )
  return folders.filter((folder) => existsSync(join(folder, 'package.json')))
}

function nodeBinary(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const folder = join(work, `node${major}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${major}`], { cwd: folder })
  return join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

// What a stranger would write first: a type-checked use of every entry point.
const program = `
import { Hono } from 'hono'
import { serve } from '@hono/node-server'
import { connect } from '@nats-io/transport-node'
import { startNatsServer, findNatsServer } from '@nats-edge/embedded-nats'
import { parseOperations, parseSubject, parsePattern, matches, HeaderBlock, type Principal } from '@nats-edge/wire-parser'
import { busFromConnection, requestOnce, type NatsSource } from '@nats-edge/wire-parser/bus'
import { wireGateway } from '@nats-edge/wire-parser/gateway'
import { jsonCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { natsRequest } from '@nats-edge/ws-toolkit/nats'
import { testGateway } from '@nats-edge/ws-toolkit/testing'
import { upgradeWebSocket, webSocketServer, originAllowed } from '@nats-edge/ws-toolkit/upgrade'
import { restProxy, type RestProxyOptions } from '@nats-edge/rest-proxy'
import { natsService } from '@nats-edge/rest-proxy/service'
import type { Capability } from 'nats-edge'

const server = await startNatsServer({ jetstream: false })
const nats = await connect({ servers: server.url })
const service = natsService(nats)
service.get('/hello/:name', (c) => c.json(200, { hello: c.pathVariable('name') }))
await service.ready()
const options: RestProxyOptions = { nats }
const proxy: Capability = restProxy(options)
const app: Hono = new Hono()
app.route('/api', proxy.routes)
app.get('/ws', upgradeWebSocket(async () => ({ onOpen: (_event, ws) => ws.send('hi') }), {}))
const http = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket: { server: webSocketServer() } })
await new Promise<void>((resolve) => http.once('listening', () => resolve()))
const address = http.address()
const port = typeof address === 'object' && address !== null ? address.port : 0
const response = await fetch(\`http://127.0.0.1:\${port}/api/hello/ada\`)
const body = await response.text()
if (response.status !== 200 || !body.includes('ada')) throw new Error(\`\${response.status} \${body}\`)
const socket = await new Promise<string>((resolve, reject) => {
  void import('ws').then(({ WebSocket }) => {
    const ws = new WebSocket(\`ws://127.0.0.1:\${port}/ws\`)
    ws.once('message', (data) => { resolve(String(data)); ws.close() })
    ws.once('error', reject)
  })
})
if (socket !== 'hi') throw new Error(socket)
const pattern = parsePattern('a.*'), subject = parseSubject('a.b')
if (pattern === undefined || subject === undefined || !matches(pattern, subject)) throw new Error('subjects')
const bus = busFromConnection(nats)
bus.subscribe(subject, (message) => { if (message.reply) bus.publish(message.reply, message.payload) })
const reply = await requestOnce(bus, subject, new Uint8Array([7]), { timeoutMs: 1000, headers: HeaderBlock.from([['A', 'b']]) })
if (reply.payload[0] !== 7) throw new Error('bus')
if (parseOperations(new TextEncoder().encode('PING\\r\\n'), 'client')[0]?.verb !== 'PING') throw new Error('parser')
const border: Capability = wireGateway({ backends: [{ url: server.url }] })
const gate = wireGateway({ backends: [{ url: server.url }], upgradeWebSocket })
const listener = await gate.listen({ port: 0 })
const client = await connect({ servers: \`nats://127.0.0.1:\${listener.port}\` })
await client.flush()
await client.close()
const channels = wsGateway()
channels.channel('/ask', { codec: jsonCodec() }).route('echo', natsRequest(nats, 'a.b'))
const rig = testGateway(channels)
const asking = await rig.connect('/ask')
asking.send(JSON.stringify({ type: 'echo', id: 1, data: { x: 1 } }))
const answer = await asking.next()
if (!String(answer).includes('"x":1')) throw new Error(String(answer))
await asking.close(); await rig.close(); await gate.close({ drainMs: 0 }); await border.close()
export type Unused = [Principal, NatsSource, typeof findNatsServer, typeof originAllowed]
await proxy.close(); await service.close(); http.close(); await nats.close(); await server.stop()
console.log('works on', process.version)
`

try {
  const packed = publishedFolders().map((folder) =>
    JSON.parse(run('npm', ['pack', '--json', '--pack-destination', work], { cwd: folder })),
  )
  const tarballs = packed.map((answer) =>
    join(work, (Array.isArray(answer) ? answer[0] : Object.values(answer)[0]).filename),
  )
  const versions = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const versionOf = (name) => versions[`node_modules/${name}`].version
  const peers = [
    'hono',
    '@hono/node-server',
    '@nats-io/nats-core',
    '@nats-io/transport-node',
    'ws',
    '@types/ws',
    '@types/node',
  ]
  const wanted = [
    ...peers.map((name) => `${name}@${versionOf(name)}`),
    `typescript@${rootPackage.devDependencies.typescript}`,
  ]
  writeFileSync(join(work, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs, ...wanted])
  writeFileSync(join(work, 'main.ts'), program)
  writeFileSync(
    join(work, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        module: 'nodenext',
        strict: true,
        skipLibCheck: true,
        outDir: 'out',
        types: ['node'],
      },
      files: ['main.ts'],
    }),
  )
  run(join(work, 'node_modules/.bin/tsc'), [])
  const majors = process.argv.length > 2 ? process.argv.slice(2) : [process.versions.node.split('.')[0]]
  for (const major of majors) {
    const node = nodeBinary(major)
    process.stdout.write(run(node, ['out/main.js']))
    process.stdout.write(`nats-edge version: ${run(node, ['node_modules/nats-edge/dist/main.js', 'version'])}`)
  }
  console.log(`${tarballs.length} tarballs install, type-check and run`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
