// TLS ends here: clients outside speak TLS and show a certificate, the broker behind speaks plain TCP on its own network.
import { mkdirSync, writeFileSync } from 'node:fs'
import { compilePermissions } from '@nats-edge/wire-parser'
import { deny, wireGateway } from '@nats-edge/wire-parser/gateway'
import { certificate } from './certificates.js'

/** With `mutual` a client needs a certificate, and its name decides what it may do. */
export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 4443, firstPort = 4444, mutual = false } = {}) {
  const authority = certificate({ name: 'Border Authority' })
  const server = certificate({ name: 'border', hosts: ['localhost', '127.0.0.1'], issuer: authority })
  const client = certificate({ name: 'ada', issuer: authority })

  const gateway = wireGateway({
    backends: [{ url: natsUrl }],
    ...(mutual && { authenticate: byCertificate, policies: { headers: { inject: ['user'] } } }),
  })
  const tls = { cert: server.cert, key: server.key, ca: authority.cert, clientCertificate: mutual ? 'require' : 'none' }
  const upgrade = await gateway.listen({ port, tls: { ...tls, mode: 'upgrade' } })
  const first = await gateway.listen({ port: firstPort, tls: { ...tls, mode: 'first' } })
  return {
    port: upgrade.port,
    firstPort: first.port,
    authority: authority.cert,
    client: { cert: client.cert, key: client.key },
    stop: () => gateway.close({ drainMs: 1000 }),
  }
}

function byCertificate(_connect, { certificate: shown }) {
  const name = shown?.subject.CN
  if (name === undefined) return deny()
  const rules = { publish: { allow: [`${name}.>`, '_INBOX.>'] } }
  return { id: `certificate:${name}`, name, claims: {}, permissions: compilePermissions(rules) }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const mutual = process.argv.includes('--mutual')
  const { port, firstPort, authority, client, stop } = await start({ natsUrl: process.env.NATS_URL, mutual })
  mkdirSync('certificates', { recursive: true })
  writeFileSync('certificates/ca.pem', authority)
  writeFileSync('certificates/ada.pem', client.cert)
  writeFileSync('certificates/ada-key.pem', client.key, { mode: 0o600 })
  const own = mutual ? ' --tlscert certificates/ada.pem --tlskey certificates/ada-key.pem' : ''
  console.log(`INFO, then TLS: nats -s tls://localhost:${port} --tlsca certificates/ca.pem${own} pub ada.hello hi`)
  console.log(`TLS, then INFO: the same on port ${firstPort} with --tlsfirst`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
