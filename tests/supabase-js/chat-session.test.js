// The product's ChatSession in Chromium, from a page with nothing but <script type="module">, and the genuine supabase-js
// on the other side.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { after, afterEach, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { anonKey, client, closeAll, join, pair, person, say, serviceRoleKey, setting, until, url } from './support.js'

const PKG = new URL('../../pkg/', import.meta.url)
const TYPES = { js: 'text/javascript', wasm: 'application/wasm' }
const PAGE = `<!doctype html><title>chat</title><script type="module">
  import init, { ChatSession } from '/pkg/index.js'
  await init()
  globalThis.openChat = (options) => {
    globalThis.session = new ChatSession({ ...options, getToken, ensureThread })
    return session.open().then(() => 'opened', (error) => error.code)
  }
</script>`

const server = createServer(async (request, response) => {
  const name = /^\/pkg\/([\w.]+)$/.exec(request.url)?.[1]
  const content = name ? await readFile(new URL(name, PKG)).catch(() => undefined) : request.url === '/' ? PAGE : undefined
  const type = TYPES[name?.split('.').at(-1)] ?? 'text/html'
  response.writeHead(content === undefined ? 404 : 200, { 'content-type': type }).end(content)
})
let browser

before(async () => {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  browser = await chromium.launch({
    executablePath: setting('CHROMIUM'),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
})
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())))
after(async () => {
  await browser.close()
  server.close()
  await closeAll()
})

/** A page with the chat of `me` and `other` on it, and how opening it went. `ids` may lie about who they are. */
async function chatPage(me, other, ids = { myMongoId: me.mongoId, otherMongoId: other.mongoId }) {
  const page = await (await browser.newContext()).newPage()
  await page.exposeFunction('getToken', () => ({ access_token: me.session.access_token, expires_in: me.session.expires_in }))
  await page.exposeFunction('ensureThread', () => null)
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  await page.waitForFunction(() => 'openChat' in globalThis)
  const opened = await page.evaluate((options) => globalThis.openChat(options), { supabaseUrl: url, supabaseAnonKey: anonKey, ...ids })
  return { page, opened }
}

/** An open one, live. */
async function liveChat(me, other) {
  const { page, opened } = await chatPage(me, other)
  assert.equal(opened, 'opened')
  await page.waitForFunction(() => globalThis.session.getSnapshot().status === 'live')
  return {
    send: (body) => page.evaluate((text) => globalThis.session.send(text), body),
    messages: () => page.evaluate(() => globalThis.session.getSnapshot().messages.map(({ id, seq, sender, body, createdAt, status }) => ({ id, seq, sender, body, createdAt, status }))),
  }
}

async function listen(as, threadId) {
  const seen = []
  const channel = as.client.channel(`chat:${threadId}`, { config: { private: true } })
  channel.on('broadcast', { event: 'INSERT' }, ({ payload }) => seen.push(payload))
  assert.equal((await join(channel)).status, 'SUBSCRIBED')
  return seen
}

test('supabase-js gets the INSERT that a ChatSession sent, and the ChatSession what supabase-js sent', async () => {
  const { a, b, threadId } = await pair()
  const heard = await listen(a, threadId)
  const chat = await liveChat(b, a)

  const id = await chat.send('from the engine')
  await until(() => heard.length === 1, 'the broadcast of the engine’s message')
  const { record, operation, table } = heard[0]
  assert.deepEqual([operation, table], ['INSERT', 'chat_messages'])
  assert.deepEqual(
    [record.id, record.body, record.sender_supabase_id, record.sender_mongo_id, record.recipient_mongo_id, record.seq],
    [id, 'from the engine', b.id, b.mongoId, a.mongoId, 1],
  )

  // As the plan sends, and as it sent before there was an RPC.
  const answer = await say(a, b, threadId, 'by RPC')
  const inserted = await a.client
    .from('chat_messages')
    .insert({ thread_id: threadId, sender_supabase_id: a.id, sender_mongo_id: a.mongoId, recipient_mongo_id: b.mongoId, body: 'by insert' })
    .select()
    .single()
  assert.equal(inserted.error, null)
  await until(async () => (await chat.messages()).length === 3, 'three messages on the page')

  const { data: rows, error } = await a.client.from('chat_messages').select().eq('thread_id', threadId).order('seq')
  assert.equal(error, null)
  assert.deepEqual(rows, [record, answer, inserted.data])
  assert.deepEqual(
    await chat.messages(),
    rows.map(({ id, seq, sender_mongo_id, body, created_at }) => ({
      id,
      seq,
      sender: sender_mongo_id === b.mongoId ? 'me' : 'them',
      body,
      createdAt: created_at,
      status: 'sent',
    })),
  )
})

test('both at once: one order for all', async () => {
  const { a, b, threadId } = await pair()
  const heard = await listen(a, threadId)
  const chat = await liveChat(b, a)
  const bodies = Array.from({ length: 20 }, (_, n) => `${n}`)
  await Promise.all([
    ...bodies.map((body) => say(a, b, threadId, `supabase-js ${body}`)),
    ...bodies.map((body) => chat.send(`engine ${body}`)),
  ])
  await until(async () => (await chat.messages()).filter(({ status }) => status === 'sent').length === 40, 'forty sent', 20_000)
  // The engine's go in batches, of which the newest alone is broadcast.
  const singly = () => heard.filter(({ record }) => record.body.startsWith('supabase-js')).length
  await until(() => singly() === 20 && heard.some(({ record }) => record.seq === 40), 'every single one and the newest of all', 20_000)
  const { data: rows } = await a.client.from('chat_messages').select('id, seq').eq('thread_id', threadId).order('seq')
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    Array.from({ length: 40 }, (_, n) => n + 1),
  )
  assert.deepEqual(
    (await chat.messages()).map(({ id, seq }) => ({ id, seq })),
    rows,
  )
  const announced = heard.map(({ record }) => record.id)
  assert.equal(new Set(announced).size, announced.length, 'each once')
  assert.ok(announced.every((id) => rows.some((row) => row.id === id)))
})

test('a stranger hears nothing: not with supabase-js, and not with a ChatSession that claims to be one of the two', async () => {
  const { a, b, threadId } = await pair()
  const stranger = await person()
  // A token that says whose it is the session refuses by itself. This one does not: the database decides.
  const changed = await client(serviceRoleKey).auth.admin.updateUserById(stranger.id, { app_metadata: { mongoUserId: null } })
  assert.ifError(changed.error)
  stranger.session = (await stranger.client.auth.refreshSession()).data.session
  const chat = await liveChat(b, a)
  const seen = []
  const channel = stranger.client.channel(`chat:${threadId}`, { config: { private: true } })
  channel.on('broadcast', { event: '*' }, (message) => seen.push(message))
  const refused = join(channel)
  const { page, opened } = await chatPage(stranger, a, { myMongoId: b.mongoId, otherMongoId: a.mongoId })
  assert.equal((await refused).status, 'CHANNEL_ERROR')
  await chat.send('between us')
  await until(async () => (await chat.messages())[0]?.status === 'sent', 'the message')
  // RLS shows them an empty thread; the refusal comes with the join, 5 s later.
  await page.waitForFunction(() => globalThis.session.getSnapshot().error?.code === 'not-a-participant')
  const snapshot = await page.evaluate(() => {
    const { status, messages } = globalThis.session.getSnapshot()
    return { status, messages }
  })
  assert.deepEqual(snapshot, { status: 'connecting', messages: [] })
  assert.ok(['opened', 'not-a-participant'].includes(opened), opened)
  assert.deepEqual(seen, [])
  const read = await client().from('chat_messages').select().eq('thread_id', threadId)
  assert.equal(read.error?.code, '42501', 'and whoever is not signed in may not even ask')
  assert.deepEqual((await stranger.client.from('chat_messages').select().eq('thread_id', threadId)).data, [])
})
