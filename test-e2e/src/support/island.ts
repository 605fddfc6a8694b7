// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { Program } from './program.ts'

const program = 'ip'

function ip(...args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'pipe' })
}

/** Why this machine cannot have one, or undefined if it can. */
export function islandFault(): string | undefined {
  if (process.platform !== 'linux') return 'Linux only'
  const name = `nats-edge-try-${process.pid}`
  try {
    ip('netns', 'add', name)
    try {
      ip('link', 'add', `try${process.pid}`, 'type', 'veth', 'peer', 'name', 'cable', 'netns', name)
      ip('link', 'delete', `try${process.pid}`)
    } finally {
      ip('netns', 'delete', name)
    }
  } catch {
    return 'network namespaces need root and the program ip'
  }
  return undefined
}

/** A network of its own for some clients, at the end of one cable, which can be cut without anybody being told. */
export class Island {
  /** This machine, as seen from there. */
  readonly host: string
  readonly #name: string

  private constructor(name: string, host: string) {
    this.#name = name
    this.host = host
  }

  /** An island that ends with the test. */
  static make(): Island {
    const name = `nats-edge-${process.pid}`
    const near = `ne${process.pid}`
    // Addresses that are for benchmarks of networks (RFC 2544), and of nobody.
    const network = `198.18.${process.pid % 256}`
    ip('netns', 'add', name)
    onTestFinished(() => ip('netns', 'delete', name))
    // The kernel keeps a namespace, and the cable with it, until the last connection there has timed out.
    onTestFinished(() => ip('link', 'delete', near))
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', 'cable', 'netns', name)
    ip('address', 'add', `${network}.1/30`, 'dev', near)
    ip('link', 'set', near, 'up')
    ip('-n', name, 'address', 'add', `${network}.2/30`, 'dev', 'cable')
    ip('-n', name, 'link', 'set', 'cable', 'up')
    return new Island(name, `${network}.1`)
  }

  /** A Node program there, from its source. */
  run(source: string, args: readonly string[]): Program {
    const node = [process.execPath, '--input-type=module', '-e', source]
    const running = new Program(program, ['netns', 'exec', this.#name, ...node, ...args])
    onTestFinished(() => running[Symbol.asyncDispose]())
    return running
  }

  /** Nothing passes from now on, in either direction. */
  cut(): void {
    ip('-n', this.#name, 'link', 'set', 'cable', 'down')
  }
}
