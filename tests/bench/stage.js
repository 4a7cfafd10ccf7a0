// Where the measurements play: the stand-in that `cargo xtask bench` started, three people, the page's server, Chromium.
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { chromium } from 'playwright-core'
import { bundle } from './build.js'
import { serve } from './server.js'

export const OURS = 'chopped-chat'
export const PEERS = [OURS, 'supabase-js', 'realtime-postgrest']
const INBOXES = [`${OURS}-inbox`, 'supabase-js-inbox']
const TOKEN_MS = 3_600_000
/** One for TCP and one for TLS 1.3. */
const CONNECT_ROUND_TRIPS = 2
/** What Supabase's gateway sends where it is not the hosted one. */
const PREFLIGHT_AGE_S = 3600
/** Messages a second of the free plan. */
const MESSAGE_RATE = 100

/** @param {string} name */
export function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run this by \`cargo xtask bench\``)
  return value
}

/** Where results go. */
export const out = new URL(`file://${setting('BENCH_OUT')}/`)

export async function setUp() {
  const began = performance.now()
  const url = setting('SUPABASE_URL')
  const dist = new URL('dist/', out)
  await mkdir(dist, { recursive: true })
  for (const peer of [...PEERS, ...INBOXES, 'floors']) await bundle(`peers/${peer}.js`, fileURLToPath(new URL(peer, dist)))

  const database = new pg.Pool({ connectionString: setting('DATABASE_URL'), max: 4 })
  // A thousand at once, again and again, is what the limit is there to refuse.
  await database.query('update public.chat_limits set sends_per_second = null')
  const tokens = new Map()
  const server = await serve({
    dist,
    sources: new URL('./', import.meta.url),
    async token(user) {
      let given = tokens.get(user)
      if (!given || Date.now() - given.at > TOKEN_MS / 2) {
        given = { at: Date.now(), token: (await admin('POST', '/tokens', { sub: user, expires_in: TOKEN_MS / 1000 })).access_token }
        tokens.set(user, given)
      }
      return { access_token: given.token, expires_in: Math.floor((given.at + TOKEN_MS - Date.now()) / 1000) }
    },
    async ensure(me, other) {
      const { rows } = await database.query('select thread_id from public.ensure_chat_thread($1, $2)', [me, other])
      return rows[0].thread_id
    },
  })
  const browser = await chromium.launch({
    executablePath: setting('CHROMIUM'),
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update'],
      ...['--disable-sync', '--js-flags=--expose-gc', '--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
    ],
  })

  return {
    url,
    server,
    browser,
    database,
    person: (name) => person(url, name),

    /** A page of `who`, in a context of its own, with nothing of a chat loaded; `prepare` meets it blank. */
    async page(who, prepare) {
      const context = await browser.newContext()
      await context.addCookies([{ name: 'who', value: `${who.id}.${who.mongoId}`, url: server.backend }])
      const page = await context.newPage()
      await prepare?.(page)
      await this.reload(page)
      return page
    },

    /** What the page's browser keeps, it has; the page itself begins anew. */
    async reload(page) {
      await page.goto(server.pages)
      await page.waitForFunction(() => 'bench' in globalThis)
    },

    /** A word for those who wait: `cargo xtask bench` shows the last one. */
    progress: (what, at, of) => console.error(`… ${what}, ${at < 0 ? 'warm-up' : `round ${at + 1} of ${of}`}, ${Math.round((performance.now() - began) / 1000)} s`),

    /** What a peer must know. */
    config: (me, other, more) => ({
      url,
      key: setting('SUPABASE_ANON_KEY'),
      tokenUrl: `${server.backend}/api/chat/token`,
      ensureUrl: `${server.backend}/api/chat/threads/ensure`,
      me: me.mongoId,
      other: other.mongoId,
      pageSize: 50,
      ...more,
    }),

    /** What a page can be connected to ahead, without cookies and with them. */
    links: () => [...[url, server.backend].map((href) => ({ href, credentials: 'omit' })), { href: server.backend, credentials: 'include' }],

    /**
     * So far away is everything from here on. Where it is `hosted`, each new connection waits for TCP and TLS, preflights come
     * without an age, and broadcasts above the message rate are dropped.
     */
    async network({ ms = 0, hosted = false } = {}) {
      const connect_round_trips = hosted ? CONNECT_ROUND_TRIPS : 0
      server.setDistance(ms, connect_round_trips)
      await admin('POST', '/latency', { ms, connect_round_trips })
      await admin('POST', '/preflight-age', { s: hosted ? null : PREFLIGHT_AGE_S })
      await admin('POST', '/message-rate', { per_second: hosted ? MESSAGE_RATE : null })
    },

    /** HTTP requests that the servers saw so far: downloads, preflights and socket handshakes are some of them. */
    async requests() {
      const { requests } = await admin('GET', '/state')
      return server.requests() + Object.values(requests).reduce((sum, count) => sum + count, 0)
    },

    /** Writes `count` messages into a thread, by turns. */
    async fill(a, b, count) {
      await database.query('select public.ensure_chat_thread($1, $2)', [a.mongoId, b.mongoId])
      await database.query(
        `insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         select $1, case n % 2 when 1 then $2 else $3 end::uuid, case n % 2 when 1 then $4 else $5 end, case n % 2 when 1 then $5 else $4 end,
           'Message ' || n || ' of a chat about onions, and who of us two is going to chop them today.'
         from generate_series(1, $6::int) n`,
        [[a.mongoId, b.mongoId].sort().join('__'), a.id, b.id, a.mongoId, b.mongoId, count],
      )
    },

    /** One message more, said by `from`. */
    say: (from, to, body) =>
      database.query(
        `insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body) values ($1, $2, $3, $4, $5)`,
        [[from.mongoId, to.mongoId].sort().join('__'), from.id, from.mongoId, to.mongoId, body],
      ),

    async end() {
      await browser.close()
      server.close()
      await database.end()
    },
  }
}

async function admin(method, path, body) {
  const response = await fetch(setting('ADMIN_URL') + path, { method, ...(body && { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

async function person(url, name) {
  const mongoId = randomBytes(12).toString('hex')
  const key = setting('SUPABASE_SERVICE_ROLE_KEY')
  const call = async (path, body) => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { apikey: key, authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json().catch(() => undefined)
  }
  const { id } = await call('/auth/v1/admin/users', {
    email: `${mongoId}@example.com`,
    password: 'chopped-bench',
    email_confirm: true,
    app_metadata: { mongoUserId: mongoId, name },
  })
  await call('/rest/v1/rpc/link_chat_identity', { _mongo_id: mongoId, _supabase_id: id })
  return { id, mongoId }
}
