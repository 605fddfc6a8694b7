// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { cacheFolder, pathFolders, thisMachine } from './machine.ts'

describe('cacheFolder', () => {
  it.each([
    ['linux', {}, '/home/ada/.cache/nats-edge'],
    ['linux', { XDG_CACHE_HOME: '/var/cache/ada' }, '/var/cache/ada/nats-edge'],
    ['linux', { XDG_CACHE_HOME: '' }, '/home/ada/.cache/nats-edge'],
    ['linux', { NATS_EDGE_CACHE_DIR: '/opt/cache', XDG_CACHE_HOME: '/x' }, '/opt/cache'],
    ['darwin', { XDG_CACHE_HOME: '/x' }, '/home/ada/Library/Caches/nats-edge'],
    ['win32', {}, '/home/ada/AppData/Local/nats-edge'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/nats-edge'],
  ] as const)('on %s with %j is %s', (platform, env, folder) => {
    expect(cacheFolder({ platform, env: { HOME: '/home/ada', ...env } })).toBe(folder)
  })
})

describe('pathFolders', () => {
  it.each([
    ['/a:/b', ['/a', '/b']],
    ['/a::.:b:/c', ['/a', '/c']],
    ['', []],
  ])('of %j are %j', (PATH, folders) => {
    expect(pathFolders({ platform: 'linux', env: { PATH } })).toEqual(folders)
  })

  it('are none without PATH', () => {
    expect(pathFolders({ platform: 'linux', env: {} })).toEqual([])
  })
})

describe('thisMachine', () => {
  it('searches the usual folders and those of Go', () => {
    const { serverFolders, goFolders } = thisMachine({
      HOME: '/home/ada',
      GOBIN: '/gobin',
      GOPATH: '/go:/more',
      GOROOT: '/goroot',
    })
    expect(serverFolders).toEqual([
      '/usr/sbin',
      '/usr/local/sbin',
      '/usr/local/bin',
      '/opt/homebrew/bin',
      '/gobin',
      '/go/bin',
      '/home/ada/go/bin',
    ])
    expect(goFolders.slice(0, 2)).toEqual(['/goroot/bin', '/usr/local/go/bin'])
  })

  it('leaves out what is not set or relative', () => {
    const { serverFolders } = thisMachine({ HOME: '/home/ada', GOBIN: 'bin' })
    expect(serverFolders.slice(4)).toEqual(['/home/ada/go/bin'])
  })
})
