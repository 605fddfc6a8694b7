// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants } from 'node:fs'
import { z } from 'zod'
import {
  byteRatePattern,
  durationPattern,
  maxDurationMs,
  parseByteRate,
  parseDuration,
  parseSize,
  sizePattern,
} from './unit.ts'

export const count: z.ZodType<number, number> = z.int().nonnegative()

const durationForm = 'must be a duration such as 250ms, 5s or 2m'
const sizeForm = 'must be a size such as 512B, 64KiB or 1MiB'
const byteRateForm = 'must be a rate such as 1KiB/s'

/** `250ms`, `5s`, `2m`, `1h` or milliseconds; the value is in milliseconds. */
export const duration: z.ZodType<number, number | string> = z
  .union([count, z.string().regex(durationPattern, durationForm)], { error: durationForm })
  .transform((value, context) => {
    const ms = typeof value === 'number' ? value : (parseDuration(value) ?? 0)
    if (ms > maxDurationMs) context.addIssue({ code: 'custom', message: 'must not be longer than 24 days' })
    return ms
  })

/** `512B`, `64KiB`, `1MiB`, `1GiB` or bytes; the value is in bytes. */
export const size: z.ZodType<number, number | string> = z
  .union([count, z.string().regex(sizePattern, sizeForm)], { error: sizeForm })
  .transform((value) => (typeof value === 'number' ? value : (parseSize(value) ?? 0)))

/** `1KiB/s` or bytes per second. */
export const byteRate: z.ZodType<number, number | string> = z
  .union([count, z.string().regex(byteRatePattern, byteRateForm)], { error: byteRateForm })
  .transform((value) => (typeof value === 'number' ? value : (parseByteRate(value) ?? 0)))

/** A whole number above 0. */
export const positive: z.ZodType<number, number> = z.int().min(1, 'must be 1 or more')

/** An address to listen on, `127.0.0.1:8080` or `[::1]:8080`; port 0 is any free one. */
export const address: z.ZodType<string, string> = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'must be an address with a port, such as 127.0.0.1:8080')

export interface Address {
  readonly host: string
  readonly port: number
}

/** Reads `host:port`; an IPv6 address stands in brackets. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

/** The text of an address: `127.0.0.1:8080`, `[::1]:8080`. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A secret; `{ file }` and `{ env }` have been replaced by what they name before the schema sees them. */
export const secret: z.ZodType<string, string | { file: string } | { env: string }> = z
  .union([z.string().min(1), z.strictObject({ file: z.string() }), z.strictObject({ env: z.string() })], {
    error: 'must be a text, { file: path } or { env: NAME }',
  })
  .transform((value) => (typeof value === 'string' ? value : ''))
  .meta({ writeOnly: true })

/** The path of a file that can be read now, so that a wrong one is found at start. */
export const readableFile: z.ZodType<string, string> = z
  .string()
  .refine((path) => isReadable(path), { error: (issue) => `"${String(issue.input)}" cannot be read` })

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
