// SPDX-License-Identifier: Apache-2.0
// Runs the Autobahn cases against every way into a channel: `npm run conformance`; with `-- --deflate` the 216 cases of
// compression, which take minutes.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findKosoku } from './kosoku.mjs'

const server = fileURLToPath(new URL('echo-server.mjs', import.meta.url))
const ways = ['attach', 'serve'].flatMap((binding) => ['frames', 'plain', 'upgrade'].map((way) => [binding, way]))
const basic = { flags: [], cases: ['-x', '9.*', '-x', '12.*', '-x', '13.*'], expected: 247 }
const large = { flags: ['large'], cases: ['-i', '9.*'], expected: 54 }
const compressed = { flags: ['large', 'deflate'], cases: ['-i', '9.*'], expected: 54 }
const deflate = { flags: ['large', 'deflate'], cases: ['-i', '12.*', '-i', '13.*'], expected: 216 }
// The original suite calls these, and nothing else, good enough; and 7.1.6 and 7.13 are for information.
const passing = new Set(['OK', 'NON-STRICT', 'INFORMATIONAL'])

const folder = mkdtempSync(join(tmpdir(), 'ws-conformance-'))
try {
  const kosoku = findKosoku()
  if (process.argv.includes('--deflate')) {
    // Once compression is agreed on, the other ways are this one.
    await run(kosoku, deflate, 'attach', 'frames')
  } else {
    for (const [binding, way] of ways) {
      for (const suite of [basic, large, compressed]) await run(kosoku, suite, binding, way)
    }
  }
} catch (error) {
  console.log(error.message)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function run(kosoku, { flags, cases, expected }, binding, way) {
  const child = spawn(process.execPath, [server, binding, way, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const port = await firstLine(child)
    const report = join(folder, [binding, way, ...flags].join('-'))
    // It ends with 1 where a case has failed: the report says which.
    await promisify(execFile)(kosoku, [...cases, '-p', '4', '-o', report, `127.0.0.1:${port}`], {
      maxBuffer: 2 ** 28,
    }).catch((error) => {
      if (error.code !== 1) throw error
    })
    judge(`${binding}, ${way}${flags.map((flag) => `, ${flag}`).join('')}`, readReport(report), expected)
  } finally {
    child.kill('SIGKILL')
  }
}

function readReport(report) {
  const [results] = Object.values(JSON.parse(readFileSync(join(report, 'index.json'), 'utf8')))
  return Object.entries(results)
}

function judge(name, results, expected) {
  const failed = results.filter(
    ([, { behavior, behaviorClose }]) => !(passing.has(behavior) && passing.has(behaviorClose)),
  )
  for (const [id, { behavior, behaviorClose }] of failed) console.log(`  ${id}: ${behavior}, close ${behaviorClose}`)
  console.log(`${name}: ${results.length - failed.length} of ${results.length}`)
  if (failed.length > 0 || results.length !== expected) process.exitCode = 1
}

function firstLine(child) {
  return new Promise((resolve, reject) => {
    child.stdout.once('data', (line) => resolve(String(line).trim()))
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
}
