// SPDX-License-Identifier: Apache-2.0

export interface Expansion {
  readonly text: string
  /** Something was replaced. */
  readonly changed: boolean
  /** Variables that have neither a value nor a default. */
  readonly unset: readonly string[]
  /** Every variable the text names. */
  readonly named: readonly string[]
}

const reference = /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

/** Replaces `${NAME}` and `${NAME:-default}`; `$${NAME}` stands for `${NAME}` itself. */
export function expandVariables(text: string, env: Readonly<Record<string, string | undefined>>): Expansion {
  const unset: string[] = []
  const named: string[] = []
  const expanded = text.replaceAll(reference, (whole: string, escape: string, name: string, fallback?: string) => {
    if (escape !== '') return whole.slice(1)
    named.push(name)
    // As in a shell, `:-` also replaces an empty value.
    const value = env[name] === '' && fallback !== undefined ? fallback : (env[name] ?? fallback)
    if (value === undefined) unset.push(name)
    return value ?? ''
  })
  return { text: expanded, changed: expanded !== text, unset, named }
}
