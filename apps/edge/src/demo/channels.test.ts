// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { EdgeProcess } from '../edge-process.test-support.ts'
import { until } from '../edge.test-support.ts'

const started: { dispose(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of started.splice(0).toReversed()) await each.dispose()
})

/** A printed line, run by a shell as a reader would. */
class Line {
  readonly child: ChildProcess
  out = ''

  constructor(text: string) {
    this.child = spawn('sh', ['-c', text], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.out += chunk
    })
    started.push(this)
  }

  type(text: string): void {
    this.child.stdin?.write(`${text}\n`)
  }

  async dispose(): Promise<void> {
    const { pid, exitCode, signalCode } = this.child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    // The shell and what it runs.
    process.kill(-pid, 'SIGKILL')
    await gone
  }
}

async function demoLines(): Promise<readonly string[]> {
  const anyPort = [
    '--port',
    '0',
    '--set',
    'listen.admin.address=127.0.0.1:0',
    '--set',
    'listen.wire.address=127.0.0.1:0',
  ]
  const edge = new EdgeProcess(['dev', '--demo', ...anyPort])
  started.push(edge)
  await edge.printed(/Ctrl-C stops everything/)
  return edge.out.split('\n').filter((line) => line.includes('/ws/'))
}

describe('the channel lines of dev --demo', () => {
  it('work as they are printed', async () => {
    const [echo = '', chat = '', ...others] = await demoLines()
    expect(others).toEqual([])
    const echoed = new Line(echo)
    await until('the echo has come', () => echoed.out === 'hello\n')
    await until('the line has ended', () => echoed.child.exitCode === 0)
    const [ada, bob] = [new Line(chat), new Line(chat)]
    // What is typed before somebody else is there reaches nobody else.
    await until('both talk', () => {
      ada.type('hello bob')
      bob.type('hello ada')
      return ada.out.includes('hello ada\n') && bob.out.includes('hello bob\n')
    })
    ada.child.stdin?.end()
    await until('the line ends with its input', () => ada.child.exitCode === 0)
    expect(bob.child.exitCode).toBe(null)
  })
})
