// SPDX-License-Identifier: Apache-2.0
import { configCommand } from './cli/config-command.ts'
import { devCommand } from './cli/dev.ts'
import { exitCode } from './cli/exit-code.ts'
import type { ExitCode } from './cli/exit-code.ts'
import { helpTexts } from './cli/help.ts'
import { UsageError } from './cli/options.ts'
import { serveCommand } from './cli/serve.ts'
import type { Terminal } from './cli/terminal.ts'
import { versionCommand } from './cli/version-command.ts'
import { suggest } from './config/suggest.ts'
import { ConfigError, diagnosticRecord } from './config/diagnostic.ts'
import { ListenError } from './listener/listen-on.ts'

type Command = (args: readonly string[], terminal: Terminal) => Promise<ExitCode>

const commands: Readonly<Record<string, Command>> = {
  dev: devCommand,
  serve: serveCommand,
  config: configCommand,
  version: versionCommand,
}

/** Runs one command line and gives the exit code; never throws. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [name = '', ...rest] = args
  try {
    if (name === '' || name === '--help' || name === '-h' || name === 'help') return help(rest[0] ?? '', name, terminal)
    if (name === '--version' || name === '-v') return await versionCommand(rest, terminal)
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) throw new UsageError(unknownCommand(name))
    if (rest.includes('--help') || rest.includes('-h')) return help(name, 'help', terminal)
    return await command(rest, terminal)
  } catch (error) {
    return report(error, args, terminal)
  }
}

function help(topic: string, asked: string, terminal: Terminal): ExitCode {
  const text = helpTexts[topic] ?? helpTexts[''] ?? ''
  if (asked !== '') {
    terminal.out(text.trimEnd())
    return exitCode.done
  }
  terminal.err(text.trimEnd())
  return exitCode.usage
}

function report(error: unknown, args: readonly string[], terminal: Terminal): ExitCode {
  if (error instanceof ConfigError) {
    if (args.includes('--json')) terminal.out(JSON.stringify(error.diagnostics.map(diagnosticRecord), undefined, 2))
    else terminal.err(error.message)
    return exitCode.usage
  }
  if (error instanceof UsageError) {
    terminal.err(`nats-edge: ${error.message}`)
    terminal.err('nats-edge --help lists commands, nats-edge COMMAND --help their flags.')
    return exitCode.usage
  }
  if (error instanceof ListenError) {
    terminal.err(`nats-edge: ${error.message}`)
    return exitCode.failure
  }
  terminal.err(`nats-edge: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return exitCode.internal
}

function unknownCommand(name: string): string {
  const suggestion = suggest(name, Object.keys(commands))
  return `"${name}" is not a command${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`
}
