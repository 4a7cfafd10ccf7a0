// Versions meet: this package on the SQL of an earlier one, and that one on this SQL. `versions/` holds what `npm pack` made of
// the commit that a file is named after, its SQL included.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { APPS, launch, npm, packed, project, thread } from './support.js'

const ROOT = resolve(import.meta.dirname, '../..')
const BEFORE = join(import.meta.dirname, 'versions/f4b9557.tgz')

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Record<'today' | 'before', Awaited<ReturnType<typeof serveFiles>>>} */
let pages
/** The stand-in with the SQL of before. @type {{ settings: Record<string, string>, end: () => Promise<unknown> }} */
let earlier

before(async () => {
  browser = await launch()
  const today = await (await packed())('versions')
  const dir = join(APPS, 'versions-before')
  await project(dir, {})
  await npm(dir, BEFORE)
  pages = { today: await served(today, 'chopped-chat/inbox', 'inbox/core_bg.wasm'), before: await served(dir, 'chopped-chat', 'core_bg.wasm') }
  earlier = await standIn(join(dir, 'node_modules/chopped-chat/supabase/migrations'))
})
after(async () => {
  await browser?.close()
  Object.values(pages ?? {}).forEach((files) => files.end())
  await earlier?.end()
})

/** A page with the package of `dir` as `globalThis.chat`. @param {string} dir @param {string} entry @param {string} wasm */
async function served(dir, entry, wasm) {
  const dist = join(dir, 'dist')
  await writeFile(join(dir, 'page.js'), `import * as chat from '${entry}'\nglobalThis.chat = chat\n`)
  await build({ entryPoints: { main: join(dir, 'page.js') }, outdir: dist, bundle: true, format: 'esm', logLevel: 'error' })
  await copyFile(join(import.meta.dirname, 'page/index.html'), join(dist, 'index.html'))
  await copyFile(join(dir, 'node_modules/chopped-chat', wasm), join(dist, 'core_bg.wasm'))
  return serveFiles(dist)
}

/** @param {string} migrations */
async function standIn(migrations) {
  const program = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/supabase-local')
  const server = spawn(program, ['--migrations', migrations], { cwd: ROOT, stdio: ['pipe', 'pipe', 'ignore'] })
  const [line] = await once(createInterface(server.stdout), 'line')
  const { url, anonKey, serviceRoleKey } = JSON.parse(line)
  const settings = { SUPABASE_URL: url, SUPABASE_ANON_KEY: anonKey, SUPABASE_SERVICE_ROLE_KEY: serviceRoleKey }
  return { settings, end: () => (server.stdin.end(), once(server, 'close')) }
}

/** A page of `which` package where Ana's chat is live, and both have written. @param {'today' | 'before'} which */
async function chatting(which) {
  const { options, other } = await thread()
  await other.says('hello')
  const page = await browser.newPage()
  await page.addInitScript((me) => Object.assign(globalThis, { me }), options)
  await page.goto(pages[which].url)
  await page.waitForFunction(() => globalThis.chat)
  await page.evaluate(async () => {
    const { token, otherMongoId, ...account } = globalThis.me
    const getToken = () => ({ access_token: token, expires_in: 3600 })
    await chat.default()
    const session = new chat.ChatSession({ ...account, otherMongoId, getToken, ensureThread: () => {} })
    Object.assign(globalThis, { account: { ...account, getToken }, session, last: () => session.getSnapshot().messages.at(-1) })
    await session.open()
  })
  await page.waitForFunction(() => session.getSnapshot().status === 'live' && last().body === 'hello')
  await page.evaluate(() => session.send('and to you'))
  await page.waitForFunction(() => last().body === 'and to you' && last().status === 'sent')
  return { page, other }
}

test('on the SQL of f4b9557 a chat goes on without receipts, and an inbox names the file', async () => {
  const today = { ...process.env }
  Object.assign(process.env, earlier.settings)
  const { page, other } = await chatting('today').finally(() => Object.assign(process.env, today))
  const is = await page.evaluate(async () => {
    session.markRead(1)
    const inbox = new chat.ChatInbox(globalThis.account)
    const { code, message } = await inbox.open().catch((error) => error)
    const { firstUnread, readByOther, error, status } = session.getSnapshot()
    return { code, message, inbox: inbox.getSnapshot().status, chat: { firstUnread, readByOther, error, status } }
  })
  assert.deepEqual([is.code, is.inbox], ['setup-missing', 'closed'])
  assert.ok(is.message.includes('20261127000001_chat_inbox.sql'), is.message)
  assert.deepEqual(is.chat, { firstUnread: undefined, readByOther: 0, error: null, status: 'live' })
  Object.assign(process.env, earlier.settings)
  await other.says('again').finally(() => Object.assign(process.env, today))
  await page.waitForFunction(() => last().body === 'again')
  await page.close()
})

test('the package of f4b9557 on this SQL goes on as before', async () => {
  const { page, other } = await chatting('before')
  await other.says('again')
  await page.waitForFunction(() => last().body === 'again')
  assert.deepEqual(
    await page.evaluate(() => session.getSnapshot().messages.map(({ sender, body, status }) => [sender, body, status])),
    [['them', 'hello', 'sent'], ['me', 'and to you', 'sent'], ['them', 'again', 'sent']],
  )
  await page.close()
})
