// SPDX-License-Identifier: Apache-2.0
import { ConfigError, formatPath } from './diagnostic.ts'
import type { DiagnosticCode } from './diagnostic.ts'
import type { ConfigNode, ConfigPath } from './tree.ts'
import { spanOfValue } from './tree.ts'

/** A package refused an option that came from the configuration. */
export class OptionFault extends Error {
  override readonly name = 'OptionFault'
  /** Where the options are: a section, or a place within one. */
  readonly place: ConfigPath
  /** Turns the last part of an option's name into the key of the configuration. */
  readonly keyOfOption: (option: string) => string

  constructor(place: string | ConfigPath, keyOfOption: (option: string) => string, cause: Error) {
    super(cause.message, { cause })
    this.place = typeof place === 'string' ? [place] : place
    this.keyOfOption = keyOfOption
  }
}

/** Turns what only shows when a configuration is used into an error with a position; anything else is returned as it is. */
export function faultToConfigError(error: unknown, tree: ConfigNode): unknown {
  if (!(error instanceof OptionFault)) return error
  const { path, rest } = splitMessage(error)
  const hasOption = path.length > error.place.length
  const message = hasOption ? `"${formatPath(path)}"${rest}` : `"${formatPath(path)}": ${error.message}`
  return configError('config/invalid-value', message, path, tree)
}

// Packages begin their messages with the option, `routes[1].timeoutMs must be …`.
function splitMessage(error: OptionFault): { readonly path: ConfigPath; readonly rest: string } {
  const option = /^[A-Za-z]+(?:\[\d+\]|\.[A-Za-z0-9_-]+)*(?=[ :])/.exec(error.message)?.[0] ?? ''
  const steps = option.match(/[A-Za-z0-9_-]+/g) ?? []
  const keys = steps.map((step) => (/^\d+$/.test(step) ? Number(step) : error.keyOfOption(step)))
  return { path: [...error.place, ...keys], rest: error.message.slice(option.length) }
}

function configError(code: DiagnosticCode, message: string, path: ConfigPath, tree: ConfigNode): ConfigError {
  const span = spanOfValue(tree, path)
  return new ConfigError([{ severity: 'error', code, message, span, path }])
}
