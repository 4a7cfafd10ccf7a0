// Every peer built by the same Vite, minified, each alone: what a page would download.
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const PKG = here('../../pkg/')

/** @param {string} entry @param {string} outDir @param {string} [name] of the made file */
export async function bundle(entry, outDir, name = 'peer') {
  await rm(outDir, { recursive: true, force: true })
  await build({
    root: here('.'),
    configFile: false,
    logLevel: 'error',
    base: './',
    resolve: {
      alias: [
        { find: /^chopped-chat$/, replacement: `${PKG}index.js` },
        { find: /^chopped-chat\/(.*)$/, replacement: `${PKG}$1` },
      ],
    },
    build: {
      outDir,
      target: 'es2022',
      modulePreload: false,
      rollupOptions: {
        input: { [name]: here(entry) },
        external: ['react'],
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: '[name].js', chunkFileNames: '[name].js', assetFileNames: '[name][extname]' },
      },
    },
  })
}
