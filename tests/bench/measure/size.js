// What a page downloads for each, built by the same Vite in the same run, gzip at its best.
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { bundle } from '../build.js'
import { out } from '../stage.js'

const ENTRIES = { 'chopped-chat': 'sizes/chopped-chat.js', 'supabase-js': 'sizes/supabase-js.js', 'realtime-postgrest': 'sizes/realtime-postgrest.js' }
/** Loaded only where the .wasm file can't be. */
const FALLBACK = 'inline.js'

export async function measure(_stage, _pairs, table) {
  const samples = {}
  for (const [peer, entry] of Object.entries(ENTRIES)) {
    const dir = new URL(`size/${peer}/`, out)
    await bundle(entry, fileURLToPath(dir))
    const files = (await readdir(dir)).filter((name) => name !== FALLBACK)
    const contents = await Promise.all(files.map((name) => readFile(new URL(name, dir))))
    samples[peer] = [contents.reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0) / 1024]
  }
  table.row({ name: 'minified, gzip 9: wasm, glue and hook; the clients', unit: 'KiB', samples, goals: [{ against: 'supabase-js', most: 1 }] })
}
