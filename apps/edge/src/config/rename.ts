// SPDX-License-Identifier: Apache-2.0

/** `T` with some of its keys under other names. */
export type Renamed<T, Names> = { [Key in keyof T as Key extends keyof Names ? Names[Key] & string : Key]: T[Key] }

/** Gives keys the names that a package's options have: `timeout` in a file is `timeoutMs` there. */
export function renameKeys<T extends object, const Names extends { readonly [Key in keyof T]?: string }>(
  value: T,
  names: Names,
): Renamed<T, Names> {
  const table: Readonly<Record<string, string | undefined>> = names
  const renamed = Object.entries(value).map(([key, each]) => [table[key] ?? key, each])
  // Object.entries and the type walk the same keys through the same table.
  return Object.fromEntries(renamed) as Renamed<T, Names>
}
