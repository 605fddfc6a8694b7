// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { fakeMachine, serverScript } from '../fake-machine.test-support.ts'
import type { FakeMachine } from '../fake-machine.test-support.ts'
import { listening, pinOf, releaseArchive, sending, serve, tarFile, tunnelProxy } from './archive-host.test-support.ts'

const good = releaseArchive(`#!/bin/sh\n${serverScript('2.14.5')}\n`)
const path = '/v2.14.5/nats-server-v2.14.5-linux-amd64.tar.gz'

async function machineWith(baseUrl: string, archive = good, ca?: string): Promise<FakeMachine> {
  const fake = await fakeMachine()
  fake.overrides = { releases: { baseUrl, pins: pinOf(archive), ...(ca === undefined ? {} : { ca }) } }
  return fake
}

/** What the release step came to. */
async function failure(fake: FakeMachine): Promise<string> {
  await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
  // Whatever was wrong, nothing is left of the attempt.
  expect(await readdir(join(fake.cacheDir, 'nats-server'))).toEqual([])
  return fake.steps.findLast(({ step }) => step === 'release')?.text ?? ''
}

describe('the release archive', () => {
  it('is downloaded, checked, unpacked and kept', async () => {
    const asked: (string | undefined)[] = []
    const port = await serve((request, response) => {
      asked.push(request.url)
      sending(good)(request, response)
    })
    const fake = await machineWith(`http://127.0.0.1:${port}`)
    const place = join(fake.cacheDir, 'nats-server', '2.14.5', 'nats-server')
    expect(await fake.find()).toEqual({ path: place, version: '2.14.5', source: 'release' })
    expect(fake.told.slice(-2)).toEqual([
      `release started: downloading http://127.0.0.1:${port}${path}`,
      `release found: ${place} is nats-server 2.14.5`,
    ])
    expect(await fake.find()).toEqual({ path: place, version: '2.14.5', source: 'cache' })
    expect(asked).toEqual([path])
    expect(await readdir(join(fake.cacheDir, 'nats-server'))).toEqual(['2.14.5'])
  })

  it('is found behind redirects', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/other') sending(good)(request, response)
      else response.writeHead(302, { Location: '/other' }).end()
    })
    expect(await (await machineWith(`http://127.0.0.1:${port}`)).find()).toMatchObject({ source: 'release' })
  })

  it('is installed once when two want it at the same time', async () => {
    let downloads = 0
    const port = await serve((request, response) => {
      downloads++
      sending(good)(request, response)
    })
    const fake = await machineWith(`http://127.0.0.1:${port}`)
    const [first, second] = await Promise.all([fake.find(), fake.find()])
    expect([first.source, second.source].sort()).toEqual(['cache', 'release'])
    expect(downloads).toBe(1)
    expect(fake.told).toContain(`cache progress: waiting for the install by process ${process.pid}`)
  })

  it('is installed although an install was killed in the middle of it', async () => {
    const fake = await machineWith(`http://127.0.0.1:${await serve(sending(good))}`)
    const dead = Number(execFileSync('/bin/sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
    const servers = join(fake.cacheDir, 'nats-server')
    await mkdir(join(servers, `.work-${dead}-abc`), { recursive: true })
    await writeFile(join(servers, '.install.lock'), `${dead} ${hostname()} x\n`)
    expect(await fake.find()).toMatchObject({ source: 'release' })
    expect(await readdir(servers)).toEqual(['2.14.5'])
  })

  it('is not asked for when its version is not wanted', async () => {
    const fake = await machineWith('http://127.0.0.1:9')
    await expect(fake.find({ version: '>=2.9.10 <2.10' })).rejects.toMatchObject({ code: 'not_found' })
    expect(fake.told).toContain('release passed: the release archive is 2.14.5, not within >=2.9.10 <2.10')
  })

  it('is not asked for without a pinned checksum', async () => {
    const fake = await machineWith('http://127.0.0.1:9')
    fake.overrides = { ...fake.overrides, platform: 'freebsd', arch: 'riscv64' }
    expect(await failure(fake)).toBe('there is no pinned checksum of the release archive for freebsd-riscv64')
  })

  it('is thrown away unread when its checksum is another one', async () => {
    const port = await serve(sending(releaseArchive('#!/bin/sh\nexit 1\n')))
    expect(await failure(await machineWith(`http://127.0.0.1:${port}`))).toMatch(
      /: the archive has the SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64} and was thrown away$/,
    )
  })

  it.each([
    ['that has no server in it', gzipSync(tarFile('other', 'x')), /the archive has no nats-server in it/],
    ['whose server does not answer', releaseArchive('#!/bin/sh\nexit 3\n'), /the installed file does not answer "-v"/],
    ['that is no archive', Buffer.from('hello'), /incorrect header check/],
  ])('%s is refused', async (_case, archive, message) => {
    const port = await serve(sending(archive))
    expect(await failure(await machineWith(`http://127.0.0.1:${port}`, archive))).toMatch(message)
  })

  it('goes to the cache although the cache has another version', async () => {
    const fake = await machineWith(`http://127.0.0.1:${await serve(sending(good))}`)
    await fake.server('cache/nats-server/2.9.10/nats-server', '2.9.10')
    expect(await fake.find({ preferred: '>=2.14.3' })).toMatchObject({ version: '2.14.5', source: 'release' })
  })

  it('cannot be kept in a folder that cannot be made', async () => {
    const fake = await machineWith(`http://127.0.0.1:${await serve(sending(good))}`)
    await writeFile(fake.cacheDir, 'a file')
    await expect(fake.find()).rejects.toMatchObject({ code: 'not_found' })
    expect(fake.told).toContainEqual(
      expect.stringMatching(/^cache failed: nothing can be kept in .*\/cache \(ENOTDIR.*\): set NATS_EDGE_CACHE_DIR$/),
    )
    expect(fake.told.at(-1)).toMatch(/^system passed/)
  })
})

describe('a download that cannot work ends at once:', () => {
  it('nobody listens', async () => {
    expect(await failure(await machineWith('http://127.0.0.1:9'))).toContain('ECONNREFUSED')
  })

  it('the name does not exist', async () => {
    expect(await failure(await machineWith('http://no-such-host.invalid'))).toContain('no-such-host.invalid')
  })

  it.each([404, 403, 500])('status %i', async (status) => {
    const port = await serve((_request, response) => response.writeHead(status).end())
    expect(await failure(await machineWith(`http://127.0.0.1:${port}`))).toContain(
      `127.0.0.1:${port} answered ${status}`,
    )
  })

  it('redirects that never end', async () => {
    const port = await serve((_request, response) => response.writeHead(301, { Location: '/again' }).end())
    expect(await failure(await machineWith(`http://127.0.0.1:${port}`))).toContain('redirects more than 5 times')
  })

  it('no connection in time', async () => {
    // Accepts, but never answers the TLS handshake.
    const port = await listening(createServer())
    const fake = await machineWith(`https://127.0.0.1:${port}`)
    fake.limits = { connectMs: 100 }
    expect(await failure(fake)).toContain(`no connection to 127.0.0.1:${port} within 100 ms`)
  })

  it.each([
    ['no answer', false],
    ['half an answer', true],
  ])('%s in time', async (_case, begins) => {
    const port = await serve((_request, response) => {
      if (begins) response.writeHead(200, { 'Content-Length': good.length }).write(good.subarray(0, 100))
    })
    const fake = await machineWith(`http://127.0.0.1:${port}`)
    fake.limits = { stallMs: 100, progressMs: 40 }
    expect(await failure(fake)).toContain(`127.0.0.1:${port} sent nothing for 100 ms`)
    expect(fake.told).toContainEqual(
      expect.stringMatching(
        begins ? /^release progress: 0\.0 MiB of 0\.0 MiB received, 0 s$/ : /^release progress: connecting/,
      ),
    )
  })

  it('a connection that is cut', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': good.length })
      response.write(good.subarray(0, 100), () => response.destroy())
    })
    expect(await failure(await machineWith(`http://127.0.0.1:${port}`))).toContain('aborted')
  })

  it.each([
    ['announces', true],
    ['sends', false],
  ])('an archive that %s too much', async (_case, announces) => {
    const port = await serve((_request, response) => {
      const head = announces ? { 'Content-Length': 1001 } : {}
      response.writeHead(200, head).end(Buffer.alloc(1001))
    })
    const fake = await machineWith(`http://127.0.0.1:${port}`)
    fake.limits = { archiveBytes: 1000 }
    expect(await failure(fake)).toContain(`127.0.0.1:${port} sends more than 1000 bytes`)
  })

  it('the search was aborted', async () => {
    const abort = new AbortController()
    const reason = new Error('enough')
    const port = await serve(() => abort.abort(reason))
    const fake = await machineWith(`http://127.0.0.1:${port}`)
    await expect(fake.find({ signal: abort.signal })).rejects.toBe(reason)
    expect(existsSync(join(fake.cacheDir, 'nats-server', '.install.lock'))).toBe(false)
  })
})

describe('HTTPS_PROXY', () => {
  it('is used, with the name and password it holds', async () => {
    const port = await serve(sending(good))
    const proxy = await tunnelProxy()
    const fake = await machineWith(`http://release.test:${port}`)
    fake.env['HTTPS_PROXY'] = `http://ada:l%40ce@127.0.0.1:${proxy.port}`
    expect(await fake.find()).toMatchObject({ source: 'release' })
    expect(proxy.asked.map(({ url }) => url)).toEqual([`release.test:${port}`])
    expect(proxy.asked[0]?.headers['proxy-authorization']).toBe(`Basic ${Buffer.from('ada:l@ce').toString('base64')}`)
  })

  it.each([
    ['release.test', 0],
    ['.test', 0],
    ['other.example, *.TEST', 0],
    ['*', 0],
    ['release.test:1', 1],
    ['ease.test', 1],
    ['', 1],
  ])('with NO_PROXY=%j is asked %i times', async (NO_PROXY, times) => {
    const proxy = await tunnelProxy(502)
    const fake = await machineWith('http://release.test:9')
    fake.env = { https_proxy: `127.0.0.1:${proxy.port}`, NO_PROXY }
    const text = await failure(fake)
    expect(proxy.asked).toHaveLength(times)
    if (times === 1) expect(text).toContain(`the proxy 127.0.0.1:${proxy.port} answered 502`)
  })

  it('that refuses is told', async () => {
    const proxy = await tunnelProxy(407)
    const fake = await machineWith('http://release.test')
    fake.env['HTTPS_PROXY'] = `http://ada:secret@127.0.0.1:${proxy.port}`
    const text = await failure(fake)
    expect(text).toContain(`the proxy 127.0.0.1:${proxy.port} answered 407`)
    expect(fake.told.join()).not.toContain('secret')
  })

  it('that nobody listens on is told', async () => {
    const fake = await machineWith('http://release.test')
    fake.env['HTTPS_PROXY'] = 'http://127.0.0.1:9'
    expect(await failure(fake)).toMatch(/the proxy 127\.0\.0\.1:9: .*ECONNREFUSED/)
  })

  it.each(['socks5://ada:secret@127.0.0.1:1', 'http://', 'not a proxy'])(
    'that is %j is told to be unusable',
    async (proxy) => {
      const fake = await machineWith('http://release.test')
      fake.env['HTTPS_PROXY'] = proxy
      expect(await failure(fake)).toContain('HTTPS_PROXY cannot be used: it must be an http:// or https:// address')
      expect(fake.told.join()).not.toContain('secret')
    },
  )
})

describe('TLS', () => {
  const openssl = ['/usr/bin/openssl', '/usr/local/bin/openssl', '/opt/homebrew/bin/openssl'].find((file) =>
    existsSync(file),
  )

  async function certificate(fake: FakeMachine): Promise<{ key: string; cert: string }> {
    const [key, cert] = [join(fake.root, 'key.pem'), join(fake.root, 'cert.pem')]
    const names = 'subjectAltName=DNS:localhost,DNS:release.test'
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync(openssl ?? '', [...kind, '-subj', '/CN=localhost', '-addext', names, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    })
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
  }

  it.skipIf(openssl === undefined).each([
    ['directly', false],
    ['through a proxy', true],
  ])('is spoken %s (skipped without openssl)', async (_case, proxied) => {
    const tls = await certificate(await fakeMachine())
    const port = await serve(sending(good), tls)
    const proxy = await tunnelProxy()
    // This name leads nowhere but through the proxy.
    const host = proxied ? 'release.test' : 'localhost'
    const fake = await machineWith(`https://${host}:${port}`, good, tls.cert)
    if (proxied) fake.env['HTTPS_PROXY'] = `http://127.0.0.1:${proxy.port}`
    expect(await fake.find()).toMatchObject({ source: 'release' })
    expect(proxy.asked.map(({ url }) => url)).toEqual(proxied ? [`release.test:${port}`] : [])
  })

  it.skipIf(openssl === undefined).each([
    ['directly', false],
    ['through a proxy', true],
  ])('refuses a certificate nobody vouches for, %s (skipped without openssl)', async (_case, proxied) => {
    const port = await serve(sending(good), await certificate(await fakeMachine()))
    const fake = await machineWith(`https://${proxied ? 'release.test' : 'localhost'}:${port}`)
    if (proxied) fake.env['HTTPS_PROXY'] = `http://127.0.0.1:${(await tunnelProxy()).port}`
    expect(await failure(fake)).toContain('self-signed certificate')
  })

  it.skipIf(openssl === undefined)('is not left by a redirect (skipped without openssl)', async () => {
    const tls = await certificate(await fakeMachine())
    const port = await serve(
      (_request, response) => response.writeHead(302, { Location: 'http://localhost:9/' }).end(),
      tls,
    )
    const fake = await machineWith(`https://localhost:${port}`, good, tls.cert)
    expect(await failure(fake)).toContain(`localhost:${port} redirects away from https`)
  })
})
