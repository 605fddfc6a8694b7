// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { lastTestServer } from './broker.ts'

describe('lastTestServer', () => {
  it('takes the last of a list', () => {
    const [first] = inject('natsServers')
    expect(lastTestServer(`/nowhere/nats-server,${first?.path},`)).toEqual(first)
  })

  it.each([undefined, '', ','])('is undefined for %o', (list) => {
    expect(lastTestServer(list)).toBeUndefined()
  })

  it('names a program that is no nats-server', () => {
    expect(() => lastTestServer(process.execPath)).toThrow(`${process.execPath} -v printed`)
  })
})
