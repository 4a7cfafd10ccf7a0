// This package on SQL from before the inbox: what was there goes on, and what is missing is named.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { launch, packed, thread } from './support.js'

const ROOT = resolve(import.meta.dirname, '../..')
const INBOX = '20261127000001_chat_inbox.sql'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof serveFiles>>} */
let files
/** @type {() => Promise<unknown>} */
let end
before(async () => {
  browser = await launch()
  const dir = await (await packed())('versions')
  const migrations = join(dir, 'migrations')
  await mkdir(migrations)
  for (const name of await readdir(join(ROOT, 'sql'))) {
    if (/^\d/.test(name) && name !== INBOX) await copyFile(join(ROOT, 'sql', name), join(migrations, name))
  }
  const program = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/supabase-local')
  const server = spawn(program, ['--migrations', migrations], { cwd: ROOT, stdio: ['pipe', 'pipe', 'ignore'] })
  const [line] = await once(createInterface(server.stdout), 'line')
  const { url, anonKey, serviceRoleKey } = JSON.parse(line)
  end = () => (server.stdin.end(), once(server, 'close'))
  Object.assign(process.env, { SUPABASE_URL: url, SUPABASE_ANON_KEY: anonKey, SUPABASE_SERVICE_ROLE_KEY: serviceRoleKey })
  await writeFile(join(dir, 'page.js'), "import * as chat from 'chopped-chat/inbox'\nglobalThis.chat = chat\n")
  await build({ entryPoints: { main: join(dir, 'page.js') }, outdir: join(dir, 'dist'), bundle: true, format: 'esm', logLevel: 'error' })
  await copyFile(join(import.meta.dirname, 'page/index.html'), join(dir, 'dist/index.html'))
  await copyFile(join(dir, 'node_modules/chopped-chat/inbox/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  files = await serveFiles(join(dir, 'dist'))
})
after(async () => {
  await browser?.close()
  files?.end()
  await end?.()
})

test('without the migration of the inbox a chat goes on without receipts, and an inbox names the file', async () => {
  const { options, other } = await thread()
  await other.says('hello')
  const page = await browser.newPage()
  await page.addInitScript((me) => Object.assign(globalThis, { me }), options)
  await page.goto(files.url)
  await page.waitForFunction(() => globalThis.chat)
  const is = await page.evaluate(async () => {
    const until = async (is) => {
      for (const end = performance.now() + 20_000; !is(); await new Promise((done) => setTimeout(done, 10))) {
        if (performance.now() > end) throw new Error(`waited 20 s until ${is}`)
      }
    }
    await chat.default()
    const { token, otherMongoId, ...options } = globalThis.me
    const getToken = () => ({ access_token: token, expires_in: 3600 })
    const session = new chat.ChatSession({ ...options, otherMongoId, getToken, ensureThread: () => {} })
    globalThis.session = session
    await session.open()
    await until(() => session.getSnapshot().status === 'live')
    session.markRead(1)
    session.send('and to you')
    await until(() => session.getSnapshot().messages[1]?.status === 'sent')
    const inbox = new chat.ChatInbox({ ...options, getToken })
    const { code, message } = await inbox.open().catch((error) => error)
    const { firstUnread, readByOther, error, status } = session.getSnapshot()
    return { code, message, inbox: inbox.getSnapshot().status, chat: { firstUnread, readByOther, error, status } }
  })
  assert.deepEqual([is.code, is.inbox], ['setup-missing', 'closed'])
  assert.ok(is.message.includes(INBOX), is.message)
  assert.deepEqual(is.chat, { firstUnread: undefined, readByOther: 0, error: null, status: 'live' })
  await other.says('again')
  await page.waitForFunction(() => session.getSnapshot().messages.at(-1).body === 'again')
  await page.close()
})
