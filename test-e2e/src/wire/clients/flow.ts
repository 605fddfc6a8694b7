// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { NatsConnection } from '@nats-io/nats-core'

/** Notes something a flow has seen. What it notes must be the same in every run. */
export type Note = (what: string, value?: unknown) => void

/** Opens one more connection of the same kind; it is closed at the end of the flow. */
export type Open = (name?: string) => Promise<NatsConnection>

/** Something whole that an application does. It leaves nothing behind on the server. */
export interface Flow {
  readonly name: string
  /** The servers that can do it; all where it is missing. */
  readonly needs?: string
  /** Whether most of its time is waiting. */
  readonly isSlow?: boolean
  run(open: Open, note: Note): Promise<void>
}

/** What a flow has seen, line by line, to be compared with another run. */
export async function transcriptOf(flow: Flow, connect: (name: string) => Promise<NatsConnection>): Promise<string[]> {
  const lines: string[] = []
  const opened: NatsConnection[] = []
  const open: Open = async (name = 'flow') => {
    const nats = await connect(name)
    opened.push(nats)
    return nats
  }
  try {
    await flow.run(open, (what, value) => lines.push(value === undefined ? what : `${what}: ${JSON.stringify(value)}`))
  } finally {
    await Promise.all(opened.map((nats) => nats.close()))
  }
  return lines
}

/** Bytes in short: how many there are, and their digest. */
export function digest(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
}

/** Bytes that differ everywhere, the same ones for the same size. */
export function bytesOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7 + size) & 255)
}

/** What a promise that has to fail fails with. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return { resolved: await work }
  } catch (error) {
    const { name, message, code, cause } = error as Error & { code?: unknown }
    const under = cause instanceof Error ? { cause: `${cause.name}: ${cause.message}` } : {}
    return { name, message, ...(code === undefined ? {} : { code }), ...under }
  }
}
