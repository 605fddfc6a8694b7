// A stand-in for the HTTP service you have: orders as JSON, and their history line by line.
import { createServer } from 'node:http'

const orders = new Map([['17', { id: '17', item: 'clock', status: 'packed' }]])

export async function start({ port = 3001 } = {}) {
  const server = createServer((request, response) => {
    const [, , id, part] = request.url.split('/').map(decodeURIComponent)
    const order = orders.get(id)
    if (order === undefined) return response.writeHead(404).end('{"error":"no such order"}')
    if (part === 'history') {
      response.setHeader('Content-Type', 'application/x-ndjson')
      for (const status of ['ordered', 'paid', 'packed']) response.write(`{"status":"${status}"}\n`)
      return response.end()
    }
    return response.setHeader('Content-Type', 'application/json').end(JSON.stringify(order))
  })
  server.listen(port, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return { port: server.address().port, stop: () => server.close() }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start()
  console.log(`http://127.0.0.1:${port}/orders/17`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
