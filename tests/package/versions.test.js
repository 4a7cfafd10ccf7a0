// Versions meet: this package on the SQL of an earlier one, and that one on this SQL. `versions/` holds what `npm pack` made of
// the commit that a file is named after, its SQL included.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, cp, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { serveFiles } from './hosts.js'
import { APPS, launch, npm, packed, project, thread } from './support.js'

const ROOT = resolve(import.meta.dirname, '../..')
const CHANGES = '20261128000001_chat_changes.sql'
/** The earlier ones, and the entry of each that has the most. */
const EARLIER = { f4b9557: 'chopped-chat', '4e53aa9': 'chopped-chat/inbox' }

/** @type {import('playwright-core').Browser} */
let browser
/** By commit, or `today`. @type {Record<string, Awaited<ReturnType<typeof served>>>} */
const pages = {}
/** Stand-ins with the SQL of before, by commit, and with today's without its last file. @type {Record<string, Awaited<ReturnType<typeof standIn>>>} */
const earlier = {}

before(async () => {
  browser = await launch()
  const today = await (await packed())('versions')
  pages.today = await served(today, 'chopped-chat/inbox')
  for (const [commit, entry] of Object.entries(EARLIER)) {
    const dir = join(APPS, `versions-${commit}`)
    await project(dir, {})
    await npm(dir, join(import.meta.dirname, `versions/${commit}.tgz`))
    pages[commit] = await served(dir, entry)
    earlier[commit] = await standIn(join(dir, 'node_modules/chopped-chat/supabase/migrations'))
  }
  const without = join(APPS, 'versions-without')
  await cp(join(today, 'node_modules/chopped-chat/supabase/migrations'), without, { recursive: true, filter: (path) => !path.endsWith(CHANGES) })
  earlier.without = await standIn(without)
})
after(async () => {
  await browser?.close()
  Object.values(pages).forEach((files) => files.end())
  for (const { end } of Object.values(earlier)) await end()
})

/** A page with the package of `dir` as `globalThis.chat`. @param {string} dir @param {string} entry */
async function served(dir, entry) {
  const dist = join(dir, 'dist')
  await writeFile(join(dir, 'page.js'), `import * as chat from '${entry}'\nglobalThis.chat = chat\n`)
  await build({ entryPoints: { main: join(dir, 'page.js') }, outdir: dist, bundle: true, format: 'esm', logLevel: 'error' })
  await copyFile(join(import.meta.dirname, 'page/index.html'), join(dist, 'index.html'))
  await copyFile(join(dir, 'node_modules', entry, 'core_bg.wasm'), join(dist, 'core_bg.wasm'))
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

/** On the SQL of before. @template T @param {string} commit @param {() => Promise<T>} act @returns {Promise<T>} */
async function on(commit, act) {
  const today = { ...process.env }
  Object.assign(process.env, earlier[commit].settings)
  try {
    return await act()
  } finally {
    Object.assign(process.env, today)
  }
}

/** A page of `which` package where Ana's chat is live, and both have written. @param {string} which */
async function chatting(which) {
  const { options, other } = await thread()
  await other.says('hello')
  const page = await browser.newPage()
  await page.addInitScript((me) => Object.assign(globalThis, { me }), options)
  await page.goto(pages[which].url)
  await opened(page)
  await page.waitForFunction(() => last().body === 'hello')
  await page.evaluate(() => session.send('and to you'))
  await page.waitForFunction(() => last().body === 'and to you' && last().status === 'sent')
  return { page, other }
}

/** Opens the chat in a page that was loaded. @param {import('playwright-core').Page} page */
async function opened(page) {
  await page.waitForFunction(() => globalThis.chat)
  await page.evaluate(async () => {
    const { token, otherMongoId, ...account } = globalThis.me
    const getToken = () => ({ access_token: token, expires_in: 3600 })
    await chat.default()
    const session = new chat.ChatSession({ ...account, otherMongoId, getToken, ensureThread: () => {} })
    Object.assign(globalThis, { account: { ...account, getToken }, session, last: () => session.getSnapshot().messages.at(-1) })
    await session.open()
  })
  await page.waitForFunction(() => session.getSnapshot().status === 'live')
}

/** Each change of a message is refused with the name of the file, and the chat is live as before. @param {import('playwright-core').Page} page */
async function hasNoChanges(page) {
  for (const [what, value] of [['edit', 'and to all of you'], ['react', '👍'], ['unsend', undefined]]) {
    const { change, body, deleted } = await page.evaluate(async ([what, value]) => {
      const { id } = last()
      session[what](id, value)
      while (last().change?.status !== 'error') await new Promise((done) => setTimeout(done, 5))
      const { change: { error, kind, body: typed }, body, deleted } = last()
      session.discard(id)
      return { change: { code: error.code, message: error.message, kind, typed }, body, deleted }
    }, [what, value])
    assert.deepEqual([change.code, change.kind, change.typed, body, deleted], ['setup-missing', what, what === 'edit' ? value : null, 'and to you', false])
    assert.ok(change.message.includes(CHANGES), change.message)
  }
  const { status, error, change } = await page.evaluate(() => ({ ...session.getSnapshot(), messages: [], change: last().change }))
  assert.deepEqual({ status, error, change }, { status: 'live', error: null, change: null })
}

test('on the SQL of f4b9557 a chat goes on without receipts and changes, and who asks for them hears which file is missing', async () => {
  const { page, other } = await on('f4b9557', () => chatting('today'))
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
  await hasNoChanges(page)
  await on('f4b9557', () => other.says('again'))
  await page.waitForFunction(() => last().body === 'again')
  await page.close()
})

for (const [commit, sql] of [['4e53aa9', 'the SQL of 4e53aa9'], ['without', 'this SQL without its file of changes']]) {
  test(`on ${sql} chat and inbox go on, and who changes a message hears which file is missing`, async () => {
    const { page, other } = await on(commit, () => chatting('today'))
    await hasNoChanges(page)
    // A reply can't be kept, and the messages behind it are.
    const id = await page.evaluate(() => session.send('in reply', { replyTo: 1 }))
    await page.evaluate(() => session.send('on we go'))
    await page.waitForFunction(() => last().body === 'in reply' && last().status === 'error' && session.getSnapshot().messages.at(-2).status === 'sent')
    assert.equal(await page.evaluate(() => last().error.code), 'setup-missing')
    await page.evaluate((id) => session.discard(id), id)
    await on(commit, () => other.says('again'))
    await page.waitForFunction(() => last().body === 'again')
    const line = await page.evaluate(async () => {
      const inbox = new chat.ChatInbox(globalThis.account)
      await inbox.open()
      const [{ lastMessage, unread }] = inbox.getSnapshot().threads
      return { body: lastMessage.body, deleted: lastMessage.deleted, unread }
    })
    assert.deepEqual(line, { body: 'again', deleted: false, unread: 2 })
    await page.close()
  })
}

for (const commit of Object.keys(EARLIER)) {
  test(`the package of ${commit} on this SQL goes on as before, and shows what is edited or unsent`, async () => {
    const { page, other } = await chatting(commit)
    const { id } = await other.says('again')
    await page.waitForFunction(() => last().body === 'again')
    assert.deepEqual(
      await page.evaluate(() => session.getSnapshot().messages.map(({ sender, body, status }) => [sender, body, status])),
      [['them', 'hello', 'sent'], ['me', 'and to you', 'sent'], ['them', 'again', 'sent']],
    )
    const { id: gone } = await other.says('no')
    await other.edits(id, 'and again')
    await other.unsends(gone)
    const { id: reply } = await other.says('yes', 2)
    await other.reacts(reply, '👍')
    await page.waitForFunction(() => last().body === 'yes' && session.getSnapshot().status === 'live')
    // Whoever does not know of changes hears of them at the next visit.
    await page.reload()
    await opened(page)
    await page.waitForFunction(() => session.getSnapshot().messages.map(({ body }) => body).join() === 'hello,and to you,and again,,yes')
    const lines = await page.evaluate(async () => {
      if (!chat.ChatInbox) return null
      const inbox = new chat.ChatInbox(globalThis.account)
      await inbox.open()
      return inbox.getSnapshot().threads.map(({ lastMessage, unread }) => [lastMessage.body, unread])
    })
    // The tombstone is not.
    if (lines) assert.deepEqual(lines, [['yes', 3]])
    await page.close()
  })
}
