#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { runCli } from './cli.ts'
import { standardTerminal } from './cli/terminal.ts'

const code = await runCli(process.argv.slice(2), standardTerminal())
// What was printed must be out first, unless its reader has stopped reading.
setTimeout(() => process.exit(code), 2000)
process.stdout.write('', () => process.exit(code))
