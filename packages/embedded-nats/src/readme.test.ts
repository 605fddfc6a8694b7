// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, inject, it } from 'vitest'
import { bundleProgram } from './bundle.test-support.ts'
import { fakeMachine, temporaryFolder } from './fake-machine.test-support.ts'
import { startNatsServer } from './nats-server.ts'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

describe('the README', () => {
  it('has an example that works as it is printed', async () => {
    const [binary] = inject('natsServers')
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'out'))
    await writeFile(join(folder, 'example.ts'), /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '')
    const program = await bundleProgram(join(folder, 'example.ts'), join(folder, 'out'))
    const env = { PATH: process.env['PATH'], NATS_SERVER_BIN: binary?.path }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program], { cwd: folder, env })
    expect(stdout).toMatch(/^nats:\/\/127\.0\.0\.1:\d+\n$/)
    expect(stderr).toBe(`${binary?.path} is nats-server ${binary?.version}\n`)
    expect(existsSync(join(folder, 'data', 'jetstream'))).toBe(true)
  })

  it('lists every option there is, and no other', async () => {
    const sources = await Promise.all(
      ['search.ts', 'nats-server.ts'].map((file) => readFile(new URL(file, import.meta.url), 'utf8')),
    )
    const declared = [/interface FindOptions \{(.*?)\n\}/s, /interface StartOptions [^{]*\{(.*?)\n\}/s].flatMap(
      (form, index) =>
        [...(form.exec(sources[index] ?? '')?.[1] ?? '').matchAll(/^ {2}readonly (\w+)\?/gm)].map(([, name]) => name),
    )
    const tables = readme.split('| option | default | meaning |').slice(1)
    const listed = tables.flatMap((table) =>
      [...(table.split('\n\n')[0] ?? '').matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name),
    )
    expect(declared.length).toBeGreaterThan(15)
    expect(new Set(listed)).toEqual(new Set(declared))
    expect(listed).toHaveLength(declared.length)
  })

  it('lists every error code there is', async () => {
    const source = await readFile(new URL('nats-server-error.ts', import.meta.url), 'utf8')
    const codes = [...(/type NatsServerErrorCode =(.*?)\n\n/s.exec(source)?.[1] ?? '').matchAll(/'(\w+)'/g)]
    expect(codes.length).toBeGreaterThan(4)
    for (const [, code] of codes) expect(readme).toContain(`| \`${code}\` |`)
  })

  it('is right that an abort rejects with its reason', async () => {
    const fake = await fakeMachine()
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(startNatsServer({ env: fake.machine.env, signal })).rejects.toBe(reason)
  })
})
