// Takes jobs one by one; as many of these as you like share the work, and those of one that dies are done by another.
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from '@redis/client'

const group = 'workers'
const name = `worker-${process.pid}`
/** A job that has been in somebody's hands for so long was dropped. */
const stuckMs = Number(process.env.STUCK_MS ?? 10_000)

async function render({ title, seconds = 0 }) {
  if (typeof title !== 'string') throw new TypeError('title: is missing')
  await pause(seconds * 1000)
  return { title: title.toUpperCase(), by: name }
}

const redis = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' })
redis.on('error', ({ message }) => console.error(`redis: ${message}`))
await redis.connect()
await redis.xGroupCreate('jobs', group, '0', { MKSTREAM: true }).catch(({ message }) => {
  if (!message.startsWith('BUSYGROUP')) throw new Error(message)
})
console.log(`${name} is ready`)

for (;;) {
  const message = (await dropped()) ?? (await next())
  if (message !== undefined) await work(message)
}

async function dropped() {
  const { messages } = await redis.xAutoClaim('jobs', group, name, stuckMs, '0', { COUNT: 1 })
  return messages[0] ?? undefined
}

async function next() {
  const streams = await redis.xReadGroup(group, name, { key: 'jobs', id: '>' }, { COUNT: 1, BLOCK: 1000 })
  return streams?.[0]?.messages[0]
}

async function work({ id: entry, message }) {
  const { id, answerTo, until, data } = JSON.parse(message.job)
  // Nobody waits for it any more.
  if (until < Date.now()) return redis.xAck('jobs', group, entry)
  console.log(`working on ${id}`)
  const answer = await render(data).then(
    (value) => ({ id, value }),
    (error) => ({ id, error: error.message }),
  )
  // All or nothing: a job is done when its answer is on the way. The list of a server that is gone fades away.
  return redis.multi().rPush(answerTo, JSON.stringify(answer)).expire(answerTo, 60).xAck('jobs', group, entry).exec()
}
