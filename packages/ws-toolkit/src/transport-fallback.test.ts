// SPDX-License-Identifier: Apache-2.0
import { expect, it, vi } from 'vitest'
import { eventsOf, startGateway } from './gateway.test-support.ts'
import { RouteSocket } from './upgrade/route-socket.ts'

// A file of its own: a process looks at its ws only once.
it('a gateway goes through ws, and says why, where ws is not as expected', async () => {
  const close = vi.spyOn(RouteSocket.prototype, 'close').mockImplementationOnce(() => {})
  const rig = await startGateway((gateway) => gateway.channel('/').default(({ data }) => data))
  const client = await rig.connect()
  close.mockRestore()
  const texts = ['one', 'x'.repeat(30_000), 'three']
  for (const text of texts) client.send(text)
  for (const text of texts) expect(await client.next()).toBe(text)
  expect(eventsOf(rig, 'transport.fallback')).toStrictEqual([
    { type: 'transport.fallback', reason: 'ws closes without asking first' },
  ])
})
