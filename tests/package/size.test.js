// What a page loads, minified by one Vite, gzip 9: ours beside what it would load instead.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'vite8'
import { packed } from './support.js'

/** KiB; an aim, not a gate. */
const GOAL = 45
/** @type {string} */
let dir
before(async () => {
  dir = await (await packed())('size')
})

/** @param {string} name @param {string} source @returns {Promise<Record<string, number>>} bytes of each file that is loaded in any case */
async function loaded(name, source) {
  const entry = join(dir, `${name}.js`)
  await writeFile(entry, source)
  const output = await build({
    root: dir,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2022',
      assetsInlineLimit: 0,
      rollupOptions: { input: entry, external: ['react'], preserveEntrySignatures: 'strict' },
    },
  })
  const files = [output].flat().flatMap((part) => part.output)
  // The copy of the wasm inside the package is loaded only where the file can't be.
  const always = files.filter((file) => file.type === 'asset' || !file.isDynamicEntry)
  return Object.fromEntries(always.map((file) => [file.fileName, gzipSync('code' in file ? file.code : file.source, { level: 9 }).length]))
}

const kib = (/** @type {Record<string, number>} */ files) => Object.values(files).reduce((sum, bytes) => sum + bytes, 0) / 1024

test('smaller than supabase-js', async () => {
  const ours = await loaded('ours', "export { useChat } from 'chopped-chat/react'\n")
  const inbox = await loaded('inbox', "export { useChat, useInbox, useSeen, useUnread } from 'chopped-chat/inbox/react'\n")
  const supabase = await loaded('supabase', "export { createClient } from '@supabase/supabase-js'\n")
  const parts = await loaded('parts', "export { RealtimeClient } from '@supabase/realtime-js'\nexport { PostgrestClient } from '@supabase/postgrest-js'\n")
  console.log(`KiB, gzip 9: chopped-chat ${kib(ours).toFixed(1)}, with the inbox ${kib(inbox).toFixed(1)}, supabase-js ${kib(supabase).toFixed(1)}, realtime-js + postgrest-js ${kib(parts).toFixed(1)}`)
  console.log(Object.entries(ours).map(([name, bytes]) => `  ${name} ${(bytes / 1024).toFixed(1)}`).join('\n'))
  console.log(`the goal of ${GOAL} KiB is ${kib(ours) <= GOAL ? 'held' : 'missed'}`)
  assert.ok(Object.keys(ours).some((name) => name.endsWith('.wasm')), 'the wasm counts')
  assert.ok(kib(ours) < kib(inbox), 'who imports no inbox downloads none')
  assert.ok(kib(ours) < kib(supabase), `${kib(ours).toFixed(1)} KiB are more than the ${kib(supabase).toFixed(1)} of supabase-js`)
})
