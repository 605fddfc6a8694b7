import { expect, inject, it } from 'vitest'
import { anyServer, plainConnect, RawClient, startBroker, startGateway, eventually } from './rig.test-support.ts'
it('x', async () => {
  const broker = await startBroker(anyServer(inject('natsServers')))
  const rig = await startGateway(broker)
  const judged = await startGateway(broker, { hooks: { onPublish: ({ subject }) => subject === 'slow' ? new Promise((r) => setTimeout(r, 300)) : undefined } })
  for (const url of [rig.url, judged.url]) for (const [name, text, end] of [['ping', 'PING\r\n', 'PONG\r\n'], ['vpub', 'PUB a 0\r\n\r\n', '+OK\r\n'], ['unsub', 'SUB a 1\r\nUNSUB 1\r\n', '']] as const) for (const n of [20_000, 100_000, 300_000]) {
    const client = await RawClient.to(url)
    client.send(name === 'vpub' ? plainConnect.replace('"verbose":false', '"verbose":true') : plainConnect)
    await client.settled(); client.clear()
    const chunks: Buffer[] = []; let bytes = 0
    client.socket.removeAllListeners('data'); client.socket.on('data', (c) => { bytes += c.length })
    const t = performance.now(); const cpu = process.cpuUsage()
    if (url === judged.url) client.socket.write('PUB slow 0\r\n\r\n')
    client.socket.write(text.repeat(n))
    if (end === '') { client.send('PUB zz 0\r\n\r\nPING\r\n'); await eventually(() => bytes >= 6, 60000) }
    else await eventually(() => bytes >= n * end.length, 60000)
    const c = process.cpuUsage(cpu)
    console.log(url === judged.url ? 'judged' : 'gateway', name, n, (performance.now() - t).toFixed(0), 'ms, cpu', ((c.user + c.system) / 1000).toFixed(0), 'rss', (process.memoryUsage().rss/1e6).toFixed(0))
    client.socket.destroy()
  }
}, 300_000)
