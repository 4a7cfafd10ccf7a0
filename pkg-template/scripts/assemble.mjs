// Makes the npm package: `npm run assemble -- --core DIR --inbox DIR --debug DIR --out DIR`. All but the last hold what
// wasm-bindgen made with `--target web --omit-default-module-path --out-name core`, wasm-opt behind it: of the core, with the
// inbox in it, and with the recorder as well.
import { build } from 'esbuild'
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { deflateRawSync } from 'node:zlib'
import { endpoints } from './endpoints.mjs'
import { shorten } from './shorten.mjs'

const { values: flags } = parseArgs({ options: { core: { type: 'string' }, inbox: { type: 'string' }, debug: { type: 'string' }, out: { type: 'string' } } })
if (!flags.core || !flags.inbox || !flags.debug || !flags.out) {
  console.error('usage: npm run assemble -- --core DIR --inbox DIR --debug DIR --out DIR')
  process.exit(2)
}
const template = resolve(import.meta.dirname, '..')
const repository = resolve(template, '..')
const source = join(template, 'src')
const out = resolve(flags.out)

await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
await code(resolve(flags.core), out, 'index.js', 'react.js')
await code(resolve(flags.inbox), join(out, 'inbox'), 'inbox.js', 'inbox-react.js')
await code(resolve(flags.debug), join(out, 'debug'), 'debug.js', 'inbox-react.js')

/**
 * What a page loads: `index.js`, made of `entry`, and `react.js` beside it.
 *
 * @param {string} wasm where wasm-bindgen's is
 * @param {string} outdir
 * @param {string} entry
 * @param {string} react
 */
async function code(wasm, outdir, entry, react) {
  // wasm-bindgen puts values.js and requests.js into a folder with a hash in its name.
  const { wasm: bytes, glue } = shorten(await readFile(join(wasm, 'core_bg.wasm')), await readFile(join(wasm, 'core.js'), 'utf8'))
  const snippets = /['"](\.\/snippets\/[^'"]+\/)values\.js['"]/.exec(glue)?.[1]
  if (!snippets) throw new Error(`${wasm}/core.js imports no values.js`)

  /** @type {import('esbuild').Plugin} */
  const generated = {
    name: 'generated',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^\.\/core\.js$/ }, ({ path }) => ({ path, namespace: 'glue' }))
      onLoad({ filter: /./, namespace: 'glue' }, () => ({ contents: glue, resolveDir: wasm }))
      onResolve({ filter: /^\.\/(values|requests)\.js$/ }, ({ path }) => ({ path: join(wasm, snippets, path) }))
    },
  }
  /** @type {import('esbuild').Plugin} */
  const apart = {
    name: 'package entries stay apart',
    setup({ onResolve }) {
      onResolve({ filter: /^(\.\/inline\.js|react)$/ }, ({ path }) => ({ path, external: true }))
      onResolve({ filter: /^\.\/(index|inbox)\.js$/ }, ({ importer }) =>
        ['store.js', 'chat.js', 'inbox-react.js'].includes(basename(importer)) ? { path: './index.js', external: true } : undefined,
      )
    },
  }
  await build({
    entryPoints: { index: join(source, entry), react: join(source, react) },
    outdir,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [generated, apart],
  })
  await writeFile(join(outdir, 'core_bg.wasm'), bytes)
  await writeFile(join(outdir, 'inline.js'), `export default"${deflateRawSync(bytes, { level: 9 }).toString('base64')}"\n`)
}

for (const name of ['vite.js', 'vite.d.ts']) await copyFile(join(template, 'node', name), join(out, name))
for (const name of ['index.d.ts', 'react.d.ts', 'inbox.d.ts', 'inbox-react.d.ts', 'debug.d.ts']) await copyFile(join(source, name), join(out, name))
// Where the resolution of before 2022 (node10) looks.
for (const folder of ['inbox', 'debug']) await writeFile(join(out, folder, 'react.d.ts'), "export * from '../inbox-react.js'\n")
for (const name of ['cli.js', 'steps.js']) await copyFile(join(template, 'node', name), join(await made('bin'), name))

// What `init` copies into a project.
for (const name of await readdir(join(repository, 'sql'))) {
  await copyFile(join(repository, 'sql', name), join(await made(/^\d/.test(name) ? 'supabase/migrations' : 'supabase'), name))
}
for (const [path, text] of await endpoints(join(repository, 'www-example/backend'))) {
  await writeFile(join(await made(dirname(join('next', path))), basename(path)), text)
}

for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE']) await copyFile(join(template, name), join(out, name))

/** @param {string} folder @returns {Promise<string>} that folder of the package, which is there then */
async function made(folder) {
  await mkdir(join(out, folder), { recursive: true })
  return join(out, folder)
}

const { scripts: _scripts, devDependencies: _devDependencies, ...published } = JSON.parse(
  await readFile(join(template, 'package.json'), 'utf8'),
)
await writeFile(join(out, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
