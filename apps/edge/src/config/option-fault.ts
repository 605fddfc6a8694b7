// SPDX-License-Identifier: Apache-2.0
import { ConfigError } from './diagnostic.ts'
import type { DiagnosticCode } from './diagnostic.ts'
import type { ConfigNode, ConfigPath } from './tree.ts'
import { spanOfValue } from './tree.ts'

/** A package refused an option that came from the configuration. */
export class OptionFault extends Error {
  override readonly name = 'OptionFault'
  /** The section the option belongs to. */
  readonly section: string
  /** Turns the last part of an option's name into the key of the configuration. */
  readonly keyOfOption: (option: string) => string

  constructor(section: string, keyOfOption: (option: string) => string, cause: Error) {
    super(cause.message, { cause })
    this.section = section
    this.keyOfOption = keyOfOption
  }
}

/** Turns what only shows when a configuration is used into an error with a position; anything else is returned as it is. */
export function faultToConfigError(error: unknown, tree: ConfigNode): unknown {
  if (!(error instanceof OptionFault)) return error
  const { path, rest } = splitMessage(error)
  const message = path.length > 1 ? `"${formatKeys(path)}"${rest}` : `"${error.section}": ${error.message}`
  return configError('config/invalid-value', message, path, tree)
}

// Packages begin their messages with the option, `routes[1].timeoutMs must be …`.
function splitMessage(error: OptionFault): { readonly path: ConfigPath; readonly rest: string } {
  const option = /^[A-Za-z]+(?:\[\d+\]|\.[A-Za-z0-9_-]+)*(?=[ :])/.exec(error.message)?.[0] ?? ''
  const steps = option.match(/[A-Za-z0-9_-]+/g) ?? []
  const keys = steps.map((step) => (/^\d+$/.test(step) ? Number(step) : error.keyOfOption(step)))
  return { path: [error.section, ...keys], rest: error.message.slice(option.length) }
}

function formatKeys(path: ConfigPath): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('')
}

function configError(code: DiagnosticCode, message: string, path: ConfigPath, tree: ConfigNode): ConfigError {
  const span = spanOfValue(tree, path)
  return new ConfigError([{ severity: 'error', code, message, span, path }])
}
