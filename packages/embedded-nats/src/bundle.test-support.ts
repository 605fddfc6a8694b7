// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

/** Bundles a TypeScript program with this package's sources, so that the oldest supported Node can run it. */
export async function bundleProgram(source: string, outDir: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { alias: { '@nats-edge/embedded-nats': fileURLToPath(new URL('index.ts', import.meta.url)) } },
    build: { ssr: source, outDir, target: 'node20', rolldownOptions: { output: { entryFileNames: 'program.mjs' } } },
  })
  return join(outDir, 'program.mjs')
}
