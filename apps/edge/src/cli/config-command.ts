// SPDX-License-Identifier: Apache-2.0
import { settingPaths, variableName } from '../config/environment.ts'
import { configJsonSchema } from '../config/json-schema.ts'
import { exitCode } from './exit-code.ts'
import type { ExitCode } from './exit-code.ts'
import { parseFlags, UsageError } from './options.ts'
import type { Terminal } from './terminal.ts'

/** Prints what can be configured. */
export async function configCommand(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [topic] = parseFlags(args, {}, 1).words
  if (topic === 'schema') terminal.out(JSON.stringify(configJsonSchema(), undefined, 2))
  else if (topic === 'env') for (const path of settingPaths()) terminal.out(`${variableName(path)} ${path.join('.')}`)
  else throw new UsageError('config needs one of: schema, env')
  return exitCode.done
}
