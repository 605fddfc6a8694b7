// Runs in the browser: the official client, and the parser's own idea of what a subject is.
import { parseSubject } from '@nats-edge/wire-parser'
import { wsconnect } from '@nats-io/nats-core'

const element = (id) => document.getElementById(id)
const show = (text) => element('messages').append(Object.assign(document.createElement('li'), { textContent: text }))
const state = (text) => (element('state').textContent = text)

async function run() {
  const nats = await wsconnect({ servers: `ws://${location.host}/nats`, name: 'page' })
  state(`connected to ${nats.getServer()}`)

  nats.subscribe('demo.>', { callback: (_, message) => show(`${message.subject}: ${message.string()}`) })

  element('form').addEventListener('submit', (event) => {
    event.preventDefault()
    const subject = parseSubject(element('subject').value)
    if (subject === undefined) show('that is no subject')
    else nats.publish(subject, element('text').value)
  })
  for await (const { type, error } of nats.status()) {
    if (type === 'error') show(error.message)
    if (type === 'disconnect') state('disconnected')
    if (type === 'reconnect') state(`connected to ${nats.getServer()}`)
  }
}

run().catch((error) => state(error.message))
