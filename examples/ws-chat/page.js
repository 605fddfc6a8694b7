// Runs in the browser: connects to one edge, and to the other when that one is gone.
const element = (id) => document.getElementById(id)
const state = (text) => (element('state').textContent = text)
const show = ({ from, text }) =>
  element('messages').append(Object.assign(document.createElement('li'), { textContent: `${from}: ${text}` }))

// Codes that say: do not come back.
const stops = new Set([1000, 1002, 1003, 1007, 1009, 4000, 4002])
const edges = await (await fetch('edges.json')).json()
let at = Number(new URLSearchParams(location.search).get('edge') ?? 0) % edges.length
let failures = 0
let socket

function connect() {
  const edge = edges[at]
  state(`connecting to ${edge}`)
  socket = new WebSocket(`ws://${edge}/ws/chat/lobby`)
  socket.onopen = () => {
    failures = 0
    state(`connected to ${edge}`)
  }
  socket.onmessage = ({ data }) => show(JSON.parse(data))
  socket.onclose = ({ code, reason }) => {
    if (stops.has(code)) {
      state(`closed by ${edge}: ${code} ${reason}`)
      return
    }
    failures += 1
    at = (at + 1) % edges.length
    const afterMs = hintOf(reason) ?? Math.random() * Math.min(5000, 250 * 2 ** failures)
    state(`${edge} is gone (${code}); trying ${edges[at]}`)
    setTimeout(connect, afterMs)
  }
}

// An edge that restarts says when to come back, so that not all come at once.
function hintOf(reason) {
  return reason.startsWith('{') ? JSON.parse(reason).retryAfterMs : undefined
}

element('form').addEventListener('submit', (event) => {
  event.preventDefault()
  if (socket.readyState !== WebSocket.OPEN) return
  socket.send(JSON.stringify({ from: element('name').value, text: element('text').value }))
  element('text').value = ''
})
connect()
