// What a page downloads for each, built by the same Vite in the same run, gzip at its best.
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { bundle } from '../build.js'
import { out } from '../stage.js'

const ENTRIES = { 'chopped-chat': 'sizes/chopped-chat.js', 'supabase-js': 'sizes/supabase-js.js', 'realtime-postgrest': 'sizes/realtime-postgrest.js' }
const INBOX = 'sizes/chopped-chat-inbox.js'
/** Loaded only where the .wasm file can't be. */
const FALLBACK = 'inline.js'

export async function measure(_stage, _pairs, table) {
  const kib = async (name, entry) => {
    const dir = new URL(`size/${name}/`, out)
    await bundle(entry, fileURLToPath(dir))
    const files = (await readdir(dir)).filter((file) => file !== FALLBACK)
    const contents = await Promise.all(files.map((file) => readFile(new URL(file, dir))))
    return contents.reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0) / 1024
  }
  const samples = {}
  for (const [peer, entry] of Object.entries(ENTRIES)) samples[peer] = [await kib(peer, entry)]
  table.row({ name: 'minified, gzip 9: wasm, glue and hook; the clients', unit: 'KiB', samples, goals: [{ against: 'supabase-js', most: 1 }] })
  // Its clients are the same: what is written by hand on them is the page's.
  table.row({ name: 'the same with the inbox', unit: 'KiB', samples: { ...samples, 'chopped-chat': [await kib('inbox', INBOX)] } })
}
