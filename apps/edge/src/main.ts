#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { runCli } from './cli.ts'
import { standardTerminal } from './cli/terminal.ts'

process.exit(await runCli(process.argv.slice(2), standardTerminal()))
