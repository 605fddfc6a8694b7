// SPDX-License-Identifier: Apache-2.0
import { readdir } from 'node:fs/promises'
import type { Row } from './row.ts'

const rowsDirectory = new URL('./rows/', import.meta.url)

interface RowModule {
  readonly row?: Row
  readonly rows?: readonly Row[]
}

/** Loads every built file of rows/, in the order of their names: a new row is a new file there and nothing else. */
export async function loadRows(): Promise<Row[]> {
  const files = (await readdir(rowsDirectory)).filter((file) => /^[a-z0-9-]+\.[jt]s$/.test(file)).toSorted()
  const loaded = await Promise.all(
    files.map(async (file) => rowsOf(file, (await import(new URL(file, rowsDirectory).href)) as RowModule)),
  )
  return loaded.flat()
}

function rowsOf(file: string, { row, rows }: RowModule): readonly Row[] {
  const name = file.replace(/\.[jt]s$/, '')
  const all = rows ?? (row === undefined ? [] : [row])
  if (all.length === 0) throw new TypeError(`rows/${file} exports neither "row" nor "rows"`)
  for (const found of all) {
    const isNamed = rows === undefined ? found.name === name : found.name.startsWith(`${name}-`)
    if (!isNamed) throw new TypeError(`rows/${file} exports a row named "${found.name}"`)
  }
  return all
}

/**
 * The rows of these names in this order; a name that is none stands for all that begin with it and a dash. Throws
 * RangeError naming what there is.
 */
export function selectRows(rows: readonly Row[], names: readonly string[] | undefined): readonly Row[] {
  if (names === undefined) return rows
  return names.flatMap((name) => {
    const row = rows.find((candidate) => candidate.name === name)
    const found = row === undefined ? rows.filter((candidate) => candidate.name.startsWith(`${name}-`)) : [row]
    if (found.length > 0) return found
    throw new RangeError(`--rows ${name}: no such row; there are ${rows.map((known) => known.name).join(', ')}`)
  })
}
