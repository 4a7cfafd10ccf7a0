// What goes to the registry: what it contains, and how it resolves, in Node.js and for TypeScript.
import assert from 'node:assert/strict'
import { readFile, readdir, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { before, test } from 'node:test'
import { run } from './hosts.js'
import { packed } from './support.js'

const ROOT = resolve(import.meta.dirname, '../..')
const TARBALL = join(import.meta.dirname, 'apps/chopped-chat-0.1.0.tgz')
const tool = (/** @type {string} */ path) => join(import.meta.dirname, 'node_modules', path)

/** @type {string} */
let app
/** @type {string} */
let installed
before(async () => {
  app = await (await packed())('publish')
  installed = join(app, 'node_modules/chopped-chat')
})

/** @param {string} script @param {...string} flags */
const node = (script, ...flags) => run(process.execPath, [...flags, '--eval', script], { cwd: app })

test('publint, strictly', async () => {
  assert.match(await run(process.execPath, [tool('publint/src/cli.js'), 'run', TARBALL, '--strict'], { cwd: app }), /All good!/)
})

test('are the types wrong? in no mode of resolution', async () => {
  // cjs-resolves-to-esm: there is no CommonJS twin, since an engine that is there twice would be two sockets and two outboxes.
  // Every Node.js that `engines` names can require an ES module: that is the next test. The wasm is no module of its own.
  const flags = ['--ignore-rules', 'cjs-resolves-to-esm', '--exclude-entrypoints', 'core_bg.wasm', '--format', 'json']
  const report = await run(process.execPath, [tool('@arethetypeswrong/cli/dist/index.js'), TARBALL, ...flags], { cwd: app })
  const { analysis, problems } = JSON.parse(report)
  assert.deepEqual(Object.keys(problems), ['CJSResolvesToESM'])
  assert.deepEqual(Object.keys(analysis.entrypoints).sort(), ['.', './debug', './debug/react', './inbox', './inbox/react', './package.json', './react', './vite'])
  for (const [name, { resolutions }] of Object.entries(analysis.entrypoints)) {
    assert.deepEqual(Object.keys(resolutions), ['node10', 'node16-cjs', 'node16-esm', 'bundler'])
    for (const [mode, { resolution }] of Object.entries(resolutions)) assert.ok(resolution, `${name} in ${mode}`)
  }
})

test('Node.js imports and requires every entry, and no browser is touched', async () => {
  const trap = `
    for (const name of ['window', 'self', 'document', 'location', 'navigator', 'localStorage', 'indexedDB', 'WebSocket', 'fetch', 'BroadcastChannel'])
      Object.defineProperty(globalThis, name, { get() { throw new Error(name + ' was touched') }, configurable: true })`
  const names = 'const names = (ns) => Object.keys(ns).filter((name) => name !== "__esModule").sort()'
  const api = ['ChatError', 'ChatSession', 'countUnsent', 'default', 'prefetch', 'signOut', 'threadId']
  const [inbox, hooks] = [['ChatInbox', ...api].sort(), ['useChat', 'useInbox', 'useSeen', 'useUnread']]
  const wanted = { '': api, '/react': ['useChat'], '/vite': ['choppedChat'], '/inbox': inbox, '/inbox/react': hooks, '/debug': inbox, '/debug/react': hooks }
  for (const [entry, exports] of Object.entries(wanted)) {
    const show = (/** @type {string} */ ns) => `${trap}; ${names}; console.log(JSON.stringify(names(${ns})))`
    const imported = await node(show(`await import('chopped-chat${entry}')`), '--input-type=module')
    assert.deepEqual(JSON.parse(imported), exports)
    const required = await node(show(`require('chopped-chat${entry}')`), '--input-type=commonjs', '--no-warnings')
    assert.deepEqual(JSON.parse(required), exports)
  }
})

test('a server renders the hook as connecting, and loads nothing', async () => {
  const html = await node(
    `globalThis.fetch = () => { throw new Error('fetched') }
    const { createElement } = await import('react'), { renderToString } = await import('react-dom/server'), { useChat } = await import('chopped-chat/react')
    const options = { supabaseUrl: 'https://ref.supabase.co', supabaseAnonKey: 'k', tokenUrl: '/t', ensureThreadUrl: '/e', myMongoId: 'a', otherMongoId: 'b' }
    console.log(renderToString(createElement(() => useChat(options).status)), renderToString(createElement(() => useChat(null).status)))`,
    '--input-type=module',
  )
  assert.equal(html.trim(), 'connecting closed')
})

test('a server renders the inbox as connecting and nothing unread, and loads nothing', async () => {
  const html = await node(
    `globalThis.fetch = () => { throw new Error('fetched') }
    const { createElement } = await import('react'), { renderToString } = await import('react-dom/server')
    const { useChat, useInbox, useSeen, useUnread } = await import('chopped-chat/inbox/react')
    const options = { supabaseUrl: 'https://ref.supabase.co', supabaseAnonKey: 'k', tokenUrl: '/t', myMongoId: 'a' }
    const page = () => [useInbox(options).status, useInbox(null).status, useUnread(options), typeof useSeen(useChat(null))].join(' ')
    console.log(renderToString(createElement(page)))`,
    '--input-type=module',
  )
  assert.equal(html.trim(), 'connecting closed 0 function')
})

test('Node.js runs the engine from the copy inside', async () => {
  const said = await node("import init, { threadId } from 'chopped-chat'\nawait init()\nconsole.log(threadId('b', 'a'))", '--input-type=module')
  assert.equal(said.trim(), 'a__b')
})

test('npm would publish it', async () => {
  const said = await run('npm', ['publish', '--dry-run', '--tag', 'latest', TARBALL], { cwd: app })
  assert.match(said, /\+ chopped-chat@0\.1\.0/)
  // npm says so where it repairs a package.json.
  assert.doesNotMatch(said, /npm warn publish (?!This command requires you to be logged in)/)
})

test('one version, with a changelog', async () => {
  const { version, license, publishConfig, scripts, devDependencies, bin } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'))
  const crate = /^version = "(.+)"$/m.exec(await readFile(join(ROOT, 'Cargo.toml'), 'utf8'))?.[1]
  assert.equal(version, crate)
  assert.ok((await readFile(join(installed, 'CHANGELOG.md'), 'utf8')).includes(`\n## ${version}\n`))
  assert.equal(license, 'MIT')
  assert.equal(publishConfig.provenance, true)
  // Those of this repository.
  assert.deepEqual([scripts, devDependencies], [undefined, undefined])
  await readFile(join(installed, bin['chopped-chat']))
})

test('the SQL and the endpoints are those of the repository', async () => {
  const sql = await readdir(join(ROOT, 'sql'))
  for (const name of sql) {
    const path = join(installed, 'supabase', /^\d/.test(name) ? `migrations/${name}` : name)
    assert.equal(await readFile(path, 'utf8'), await readFile(join(ROOT, 'sql', name), 'utf8'))
  }
  const alias = /@\/lib\/\w/
  for (const path of await readdir(join(installed, 'next'), { recursive: true })) {
    if (path.endsWith('.ts')) assert.doesNotMatch(await readFile(join(installed, 'next', path), 'utf8'), alias, path)
  }
})

test('assembled again it is the same to the byte', async () => {
  const made = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'wasm/package')
  const glue = await Promise.all((await readdir(made)).map(async (name) => ({ name, at: (await stat(join(made, name))).mtimeMs })))
  const newest = glue.sort((a, b) => b.at - a.at)[0]?.name
  assert.ok(newest, `${made} is empty: run \`cargo xtask build\``)
  const again = join(app, 'again')
  const parts = ['core', 'inbox', 'debug'].flatMap((name) => [`--${name}`, join(made, newest, name)])
  await run(process.execPath, ['scripts/assemble.mjs', ...parts, '--out', again], { cwd: join(ROOT, 'pkg-template') })
  const files = (await readdir(join(ROOT, 'pkg'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  assert.equal((await readdir(again, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length, files.length)
  for (const { parentPath, name } of files) {
    const path = relative(join(ROOT, 'pkg'), join(parentPath, name))
    assert.ok((await readFile(join(again, path))).equals(await readFile(join(ROOT, 'pkg', path))), path)
  }
})

test('nothing tells of the machine that built it', async () => {
  const paths = (await readdir(installed, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  assert.ok(paths.length > 25)
  // The copy of the wasm is base64, in which anything may stand.
  for (const { parentPath, name } of paths.filter(({ name }) => name !== 'inline.js')) {
    const text = await readFile(join(parentPath, name), 'latin1')
    for (const place of [ROOT, '/root/', '/home/', '/tmp/', '/usr/lib/rustlib', '.cargo/registry']) {
      assert.ok(!text.includes(place), `${name} holds ${place}`)
    }
  }
})
