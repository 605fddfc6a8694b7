// nats-core is CommonJS, which browsers do not load: one file is made of it and of the page's own code.
import { join } from 'node:path'
import { build } from 'rolldown'

await build({
  input: join(import.meta.dirname, 'page.js'),
  platform: 'browser',
  logLevel: 'warn',
  output: { file: join(import.meta.dirname, 'public/page.js'), format: 'esm', minify: true },
})
