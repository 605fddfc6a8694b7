// SPDX-License-Identifier: Apache-2.0
import { readdir } from 'node:fs/promises'
import type { Row } from './row.ts'

const rowsDirectory = new URL('./rows/', import.meta.url)

/** Loads every built file of rows/, in the order of their names: a new row is a new file there and nothing else. */
export async function loadRows(): Promise<Row[]> {
  const files = (await readdir(rowsDirectory)).filter((file) => /^[a-z0-9-]+\.[jt]s$/.test(file)).toSorted()
  return Promise.all(
    files.map(async (file) => {
      const { row } = (await import(new URL(file, rowsDirectory).href)) as { readonly row?: Row }
      if (row === undefined) throw new TypeError(`rows/${file} does not export "row"`)
      if (row.name !== file.replace(/\.[jt]s$/, ''))
        throw new TypeError(`rows/${file} exports a row named "${row.name}"`)
      return row
    }),
  )
}

/** The rows of these names in this order; throws RangeError naming what there is. */
export function selectRows(rows: readonly Row[], names: readonly string[] | undefined): readonly Row[] {
  if (names === undefined) return rows
  return names.map((name) => {
    const row = rows.find((candidate) => candidate.name === name)
    if (row === undefined) {
      throw new RangeError(`--rows ${name}: no such row; there are ${rows.map((known) => known.name).join(', ')}`)
    }
    return row
  })
}
