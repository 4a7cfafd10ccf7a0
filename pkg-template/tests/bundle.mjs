// The package's entry as a bundler would place it, with an empty wasm module and a stub of the engine.
import { build } from 'esbuild'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { deflateRawSync } from 'node:zlib'

/** The smallest module: magic word and version. */
export const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)

const root = resolve(import.meta.dirname, '..')
const stubs = {
  './core.js': `export const started = []
    export default async (from) => { started.push(from.module_or_path) }
    export const threadId = (a, b) => a + '__' + b
    export const hasClient = () => false
    export const countUnsent = async () => { started.push('counted'); return 7 }
    export const signOut = async () => { started.push('signed out'); globalThis.startedCores = started }
    export class ChatSession { constructor(options) { this.options = options } getSnapshot() { return this.options } free() {} }`,
  './inline.js': `export default ${JSON.stringify(deflateRawSync(EMPTY).toString('base64'))}`,
}

/**
 * A fresh copy of `src/<entry>` that believes to lie at `url`; no url: where it lies, a file.
 * @param {string} entry
 * @param {string} [url]
 */
export async function fresh(entry, url) {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'src', entry)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    define: url ? { 'import.meta.url': JSON.stringify(url) } : {},
    plugins: [
      {
        name: 'stubs',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^\.\/(core|inline)\.js$/ }, ({ path }) => ({ path, namespace: 'stub' }))
          onLoad({ filter: /./, namespace: 'stub' }, ({ path }) => ({ contents: stubs[path] }))
          onResolve({ filter: /^\.\/(values|requests)\.js$/ }, ({ path }) => ({ path: join(root, '../src/browser', path) }))
        },
      },
    ],
  })
  const file = join(await mkdtemp(join(tmpdir(), 'chopped-chat-')), 'bundle.mjs')
  await writeFile(file, outputFiles[0].contents)
  return import(pathToFileURL(file).href)
}
