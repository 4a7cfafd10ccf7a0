// What TypeScript makes of the package: its report, the examples of the READMEs, and projects with other settings.
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { before, test } from 'node:test'
import { api, REPORT } from './api.js'
import { run } from './hosts.js'
import { packed } from './support.js'

const HERE = import.meta.dirname
const ROOT = resolve(HERE, '../..')
const READMES = ['pkg-template/README.md', 'README.md', 'sql/README.md', 'www-example/app/README.md', 'www-example/backend/README.md', 'tests/stand-in/README.md']

/** @type {string} */
let app
before(async () => {
  app = await (await packed())('types')
  // vite.config.ts imports `vite`; here it has a number.
  await mkdir(join(app, 'node_modules/@vitejs/plugin-react'), { recursive: true })
  await writeFile(join(app, 'node_modules/@vitejs/plugin-react/index.d.ts'), "export default function react(): import('vite').PluginOption[]\n")
})

/** @param {string} folder in the app @param {Record<string, string>} files @param {object} options */
async function compile(folder, files, options) {
  const dir = join(app, folder)
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await writeFile(join(dir, path), text)
  }
  const compilerOptions = { strict: true, noEmit: true, target: 'es2022', jsx: 'react-jsx', types: [], ...options }
  await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }))
  await run(process.execPath, [join(HERE, 'node_modules/typescript/bin/tsc'), '-p', dir], { cwd: dir })
}

test('the API is the one of the report', async () => {
  const [now, report] = [await api(join(app, 'node_modules/chopped-chat')), await readFile(REPORT, 'utf8')]
  assert.equal(now, report, 'The API has changed. If that is meant, run `npm run api` in tests/package, and say it in the changelog.')
})

test('every example of the READMEs compiles', async () => {
  /** @type {Record<string, string>} */
  const files = {}
  for (const readme of READMES) {
    const text = await readFile(join(ROOT, readme), 'utf8')
    for (const [, language, code] of text.matchAll(/^```(tsx?|jsx?)\n([\s\S]*?)^```$/gm)) {
      assert.match(language, /^tsx?$/, `${readme}: write it in TypeScript, so that it is compiled`)
      files[`${readme.replace(/\W/g, '_')}_${Object.keys(files).length}.${language}`] = `${code}\nexport {}\n`
    }
  }
  assert.ok(Object.keys(files).length >= 4, Object.keys(files).join())
  await compile('examples', files, { module: 'esnext', moduleResolution: 'bundler', skipLibCheck: true, noUnusedLocals: false, types: ['vite/client'] })
})

const page = `import init, { ChatError, ChatSession, countUnsent, signOut, threadId } from 'chopped-chat'
import { useChat } from 'chopped-chat/react'
import { choppedChat } from 'chopped-chat/vite'
import { ChatInbox, ChatSession as WithReceipts } from 'chopped-chat/inbox'
import { useChat as useReceipts, useInbox, useSeen, useUnread } from 'chopped-chat/inbox/react'
import { ChatSession as Recorded } from 'chopped-chat/debug'
import { useInbox as useRecorded } from 'chopped-chat/debug/react'
export const all = [init, ChatError, ChatSession, countUnsent, signOut, threadId, useChat, choppedChat]
export const more = [ChatInbox, WithReceipts, useReceipts, useInbox, useSeen, useUnread, Recorded, useRecorded]
`
// Each with another library too; node16 and nodenext from ES modules are attw's, in publish.test.js.
for (const [name, options] of Object.entries({
  'a bundler, and the newest library': { module: 'esnext', moduleResolution: 'bundler', lib: ['esnext', 'dom'] },
  'nodenext from CommonJS': { module: 'nodenext', package: 'commonjs' },
  'node10, and the library of 2020': { module: 'esnext', moduleResolution: 'node10', lib: ['es2020', 'dom'] },
})) {
  test(`its types are valid with ${name}`, async () => {
    const { package: type = 'module', ...rest } = options
    const files = { 'page.ts': page, 'package.json': JSON.stringify({ type }) }
    await compile(`types-${name.replace(/\W/g, '-')}`, files, { ...rest, skipLibCheck: false, exactOptionalPropertyTypes: true })
  })
}
