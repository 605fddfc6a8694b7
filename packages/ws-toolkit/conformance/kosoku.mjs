// SPDX-License-Identifier: Apache-2.0
// Finds the Autobahn runner, or installs it into a cache folder of its own.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const version = '0.1.0'

/** Gives the path of the runner; throws an Error that says what is missing. */
export function findKosoku() {
  const given = process.env.KOSOKU_BIN
  if (given !== undefined) return given
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const venv = join(cache, 'nats-edge', `kosoku-${version}`)
  const programs = join(venv, process.platform === 'win32' ? 'Scripts' : 'bin')
  const kosoku = join(programs, 'kosoku')
  // pip writes it last: without it an earlier installation was cut off.
  if (existsSync(kosoku)) return kosoku
  const python = findPython()
  console.log(`installing kosoku ${version} into ${venv}`)
  run(
    python,
    ['-m', 'venv', '--clear', venv],
    'Python cannot make virtual environments: on Debian, apt install python3-venv',
  )
  run(
    join(programs, 'python'),
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `kosoku==${version}`],
    'pip cannot install it: this needs PyPI, or set KOSOKU_BIN to an installed kosoku',
  )
  return kosoku
}

function findPython() {
  for (const name of ['python3', 'python']) {
    try {
      execFileSync(name, ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))'], { stdio: 'ignore' })
      return name
    } catch {
      // The next name, then.
    }
  }
  throw new Error(
    'The Autobahn cases need Python 3.10 or later: install python3 with its venv module (on Debian, apt install python3-venv), or set KOSOKU_BIN to an installed kosoku.',
  )
}

function run(command, args, advice) {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  } catch (cause) {
    throw new Error(advice, { cause })
  }
}
